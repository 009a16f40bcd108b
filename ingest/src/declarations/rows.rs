//! A body, piece by piece, becomes rows: lines of NDJSON, or records of CSV, whose quoted fields may hold line ends.
//!
//! At most one row and one piece of the body are held at a time, whatever the client sends. The end of a row is a line feed outside quotes;
//! in CSV (RFC 4180) a quote inside a field is doubled, so that counting quotes tells inside from outside.

use bytes::{Buf, Bytes, BytesMut};

/// What separates rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/x-ndjson`.
    Ndjson,
    /// `text/csv`.
    Csv,
}

/// A row of more bytes than a row may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowTooLong;

/// Cuts rows off a growing text.
#[derive(Debug)]
pub(crate) struct Rows {
    format: Format,
    most_bytes: usize,
    held: BytesMut,
    quoted: bool,
    /// Whether the row being read was given up.
    skipping: bool,
    at_start: bool,
}

impl Rows {
    /// Rows of at most `most_bytes` each.
    pub(crate) fn new(format: Format, most_bytes: usize) -> Self {
        Self { format, most_bytes, held: BytesMut::new(), quoted: false, skipping: false, at_start: true }
    }

    /// Takes a piece of the body, and gives the rows that are complete by it. Empty ones are left out.
    pub(crate) fn push(&mut self, mut piece: Bytes) -> Vec<Result<Bytes, RowTooLong>> {
        let mut rows = Vec::new();
        while !piece.is_empty() {
            let end = self.find_end(&piece);
            let taken = end.map_or(piece.len(), |end| end + 1);
            self.hold(&piece[..taken], &mut rows);
            piece.advance(taken);
            if end.is_some() {
                rows.extend(self.cut());
            }
        }
        rows
    }

    /// The last row, where no line feed ends it.
    pub(crate) fn finish(mut self) -> Option<Result<Bytes, RowTooLong>> {
        self.cut()
    }

    /// Where in the piece the row ends, if it does.
    fn find_end(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, byte) in piece.iter().enumerate() {
            match byte {
                b'"' if self.format == Format::Csv => self.quoted = !self.quoted,
                b'\n' if !self.quoted => return Some(at),
                _ => {}
            }
        }
        None
    }

    fn hold(&mut self, part: &[u8], rows: &mut Vec<Result<Bytes, RowTooLong>>) {
        if self.skipping {
            return;
        }
        if self.held.len() + part.len() > self.most_bytes {
            self.held.clear();
            self.skipping = true;
            rows.push(Err(RowTooLong));
        } else {
            self.held.extend_from_slice(part);
        }
    }

    fn cut(&mut self) -> Option<Result<Bytes, RowTooLong>> {
        self.quoted = false;
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        let mut row = self.held.split().freeze();
        // Spreadsheets begin a file with a byte order mark.
        if std::mem::take(&mut self.at_start) && row.starts_with(b"\xef\xbb\xbf") {
            row.advance(3);
        }
        let end = row.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))?;
        row.truncate(end + 1);
        Some(Ok(row))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(format: Format, most_bytes: usize, pieces: &[&str]) -> Vec<Result<String, RowTooLong>> {
        let mut rows = Rows::new(format, most_bytes);
        let mut cut: Vec<_> =
            pieces.iter().flat_map(|piece| rows.push(Bytes::copy_from_slice(piece.as_bytes()))).collect();
        cut.extend(rows.finish());
        cut.into_iter().map(|row| row.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())).collect()
    }

    fn ok(texts: &[&str]) -> Vec<Result<String, RowTooLong>> {
        texts.iter().map(|&text| Ok(text.to_owned())).collect()
    }

    #[test]
    fn lines_are_rows_and_empty_ones_are_none() {
        assert_eq!(rows(Format::Ndjson, 99, &["{}\n{", "\"a\":1}\r\n\n\r\n", "{}"]), ok(&["{}", "{\"a\":1}", "{}"]));
        assert_eq!(rows(Format::Ndjson, 99, &[]), ok(&[]));
    }

    #[test]
    fn a_quoted_field_may_hold_line_ends() {
        let text = "\u{feff}name,address\n张三,\"体育东路\r\n1 号 \"\"甲\"\"\"\r\n李四,x\n";
        assert_eq!(
            rows(Format::Csv, 99, &[text]),
            ok(&["name,address", "张三,\"体育东路\r\n1 号 \"\"甲\"\"\"", "李四,x"])
        );
    }

    #[test]
    fn a_row_too_long_is_told_once_and_the_next_is_read() {
        assert_eq!(
            rows(Format::Ndjson, 4, &["aaa\nbb", "bbbb", "bbb\ncc\n"]),
            [Ok("aaa".to_owned()), Err(RowTooLong), Ok("cc".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn how_the_body_is_cut_makes_no_difference(text in "[a-c\"\n\r,]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5)) {
            let mut places: Vec<usize> = cuts.into_iter().map(|at| at.min(text.len())).chain([0, text.len()]).collect();
            places.sort_unstable();
            let pieces: Vec<&str> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            for format in [Format::Ndjson, Format::Csv] {
                let whole = rows(format, 10, &[&text]);
                prop_assert_eq!(rows(format, 10, &pieces), whole);
            }
        }
    }
}
