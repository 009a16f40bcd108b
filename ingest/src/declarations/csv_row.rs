//! A CSV record under a header becomes a typed form; the places of its mistakes become columns.

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use super::form::{TypedDocument, TypedForm, TypedHealth, TypedPerson, TypedResidence};

/// The columns a batch may have, in any order, and the place in the form that each stands for.
const COLUMNS: [(&str, &str); 15] = [
    ("name", "/person/name"),
    ("document_type", "/person/document/type"),
    ("document_number", "/person/document/number"),
    ("phone", "/person/phone"),
    ("address", "/person/address"),
    ("kind", "/person/kind"),
    ("committee", "/residence/committee"),
    ("community", "/residence/community"),
    ("since", "/residence/since"),
    ("capacity", "/residence/capacity"),
    ("symptoms", "/health/symptoms"),
    ("hubei_stay", "/health/hubei_stay"),
    ("hubei_return", "/health/hubei_return"),
    ("contact", "/health/contact"),
    ("description", "/health/description"),
];

/// Which column stands where, by index in [`COLUMNS`].
#[derive(Debug, Clone)]
pub(crate) struct Header(Vec<usize>);

/// Why a header or a row can't be read. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CsvError {
    /// Not UTF-8.
    NotUtf8,
    /// A NUL.
    Nul,
    /// More or fewer fields than the header has, or no record at all.
    FieldCount,
    /// A carriage return alone where a record ends: what follows it would have no answer.
    LineEnd,
    /// A column that there isn't, at this place counted from 1.
    UnknownColumn(usize),
    /// A column that stands there twice, at this place counted from 1.
    RepeatedColumn(usize),
}

impl Header {
    /// Reads the first row.
    pub(crate) fn read(row: &[u8]) -> Result<Self, CsvError> {
        let mut columns = Vec::new();
        for (at, name) in record(row)?.iter().enumerate() {
            let column = COLUMNS.iter().position(|(known, _)| *known == name.trim());
            let column = column.ok_or(CsvError::UnknownColumn(at + 1))?;
            if columns.contains(&column) {
                return Err(CsvError::RepeatedColumn(at + 1));
            }
            columns.push(column);
        }
        Ok(Self(columns))
    }

    /// Reads a row into the form that staff would have typed. An empty cell is a field left out.
    pub(crate) fn form(&self, row: &[u8]) -> Result<TypedForm, CsvError> {
        let record = record(row)?;
        if record.len() != self.0.len() {
            return Err(CsvError::FieldCount);
        }
        let mut cells: [Option<String>; COLUMNS.len()] = Default::default();
        for (&column, cell) in self.0.iter().zip(&record) {
            cells[column] = Some(cell.to_owned()).filter(|cell| !cell.is_empty());
        }
        let [
            name,
            document_type,
            number,
            phone,
            address,
            kind,
            committee,
            community,
            since,
            capacity,
            symptoms,
            hubei_stay,
            hubei_return,
            contact,
            description,
        ] = cells;
        // No symptom is an empty cell, so that this field alone is never missing.
        let symptoms = symptoms.unwrap_or_default();
        let symptoms = symptoms.split(';').map(str::trim).filter(|symptom| !symptom.is_empty());
        Ok(TypedForm {
            person: Some(TypedPerson {
                subject: None,
                name,
                document: Some(TypedDocument { document_type, number }),
                phone,
                address,
                kind,
            }),
            declared_by: None,
            residence: Some(TypedResidence { committee, community, since, capacity }),
            health: Some(TypedHealth {
                symptoms: Some(symptoms.map(str::to_owned).collect()),
                hubei_stay,
                hubei_return,
                contact,
                description,
            }),
        })
    }
}

/// The column that stands for a place in the form, as a pointer into the row.
pub(crate) fn column_pointer(pointer: &str) -> String {
    let column = COLUMNS.iter().find(|(_, place)| pointer.starts_with(place));
    column.map_or_else(|| pointer.to_owned(), |(name, _)| format!("/{name}"))
}

fn record(row: &[u8]) -> Result<StringRecord, CsvError> {
    if row.contains(&0) {
        return Err(CsvError::Nul);
    }
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row);
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => match reader.read_byte_record(&mut ByteRecord::new()) {
            Ok(false) => Ok(record),
            _ => Err(CsvError::LineEnd),
        },
        Ok(false) => Err(CsvError::FieldCount),
        Err(_) => Err(CsvError::NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_form_that_staff_would_have_typed() {
        let header = Header::read("phone,name, symptoms,address".as_bytes()).unwrap();
        let form = header.form("13800138000,张三,fever; cough,\"体育东路\n1 号\"".as_bytes()).unwrap();
        let (person, health) = (form.person.unwrap(), form.health.unwrap());
        assert_eq!(person.name.as_deref(), Some("张三"));
        assert_eq!(person.phone.as_deref(), Some("13800138000"));
        assert_eq!(person.address.as_deref(), Some("体育东路\n1 号"));
        assert_eq!(health.symptoms.unwrap(), ["fever", "cough"]);
        assert_eq!(health.contact, None, "a column that isn't there is a field left out");
    }

    #[test]
    fn what_is_no_row_says_why() {
        assert_eq!(Header::read(b"name,nmae").unwrap_err(), CsvError::UnknownColumn(2));
        assert_eq!(Header::read(b"name,name").unwrap_err(), CsvError::RepeatedColumn(2));
        assert_eq!(Header::read(b"name\0").unwrap_err(), CsvError::Nul);
        let header = Header::read(b"name,phone").unwrap();
        assert_eq!(header.form(b"x").err(), Some(CsvError::FieldCount));
        assert_eq!(header.form(b"x,y,z").err(), Some(CsvError::FieldCount));
        assert_eq!(header.form(b"\xff,y").err(), Some(CsvError::NotUtf8));
        assert_eq!(header.form(b"x,y\rz,w").err(), Some(CsvError::LineEnd), "a second row would be lost");
        assert_eq!(Header::read(b"name,phone\rx,y").unwrap_err(), CsvError::LineEnd);
    }

    #[test]
    fn every_place_of_a_row_is_a_column() {
        assert_eq!(column_pointer("/person/document/number"), "/document_number");
        assert_eq!(column_pointer("/health/symptoms/3"), "/symptoms");
        assert_eq!(column_pointer("/residence/committee"), "/committee");
    }
}
