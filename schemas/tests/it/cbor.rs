//! CBOR (RFC 8949) put together by hand, so that it can be wrong in one place and right everywhere else.

/// The head of an item, in its shortest form.
pub(crate) fn head(major: u8, argument: u64) -> Vec<u8> {
    let major = major << 5;
    let wide = argument.to_be_bytes();
    match argument {
        0..=23 => vec![major | wide[7]],
        24..=0xff => vec![major | 24, wide[7]],
        0x100..=0xffff => [&[major | 25], &wide[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26], &wide[4..]].concat(),
        _ => [&[major | 27], &wide[..]].concat(),
    }
}

pub(crate) fn int(number: i64) -> Vec<u8> {
    match u64::try_from(number) {
        Ok(number) => head(0, number),
        Err(_) => head(1, number.abs_diff(-1)),
    }
}

pub(crate) fn bytes(content: &[u8]) -> Vec<u8> {
    [head(2, content.len() as u64), content.to_vec()].concat()
}

pub(crate) fn text(content: &str) -> Vec<u8> {
    [head(3, content.len() as u64), content.as_bytes().to_vec()].concat()
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// In the order given.
pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [head(5, entries.len() as u64), pairs(entries)].concat()
}

pub(crate) fn tagged(tag: u64, item: &[u8]) -> Vec<u8> {
    [head(6, tag), item.to_vec()].concat()
}

/// The same array, of indefinite length.
pub(crate) fn endless_array(items: &[Vec<u8>]) -> Vec<u8> {
    [vec![0x9f], items.concat(), vec![0xff]].concat()
}

/// The same map, of indefinite length.
pub(crate) fn endless_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    [vec![0xbf], pairs(entries), vec![0xff]].concat()
}

/// The same byte string (or text, if `item` is one), as one chunk of indefinite length.
pub(crate) fn endless_string(item: &[u8]) -> Vec<u8> {
    [vec![item[0] & 0xe0 | 31], item.to_vec(), vec![0xff]].concat()
}

/// The same item with its head one size longer than needed.
pub(crate) fn wider(item: &[u8]) -> Vec<u8> {
    let (major, size) = (item[0] & 0xe0, item[0] & 0x1f);
    match size {
        0..=23 => [&[major | 24, size], &item[1..]].concat(),
        24..=26 => [vec![major | (size + 1)], vec![0; 1 << (size - 24)], item[1..].to_vec()].concat(),
        _ => panic!("there is no longer head"),
    }
}

fn pairs(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [key.as_slice(), value].concat()).collect()
}

#[test]
fn numbers_are_those_of_the_standard() {
    for (number, expected) in
        [(0, "00"), (23, "17"), (24, "1818"), (1000, "1903e8"), (-1, "20"), (-8, "27"), (-1000, "3903e7")]
    {
        assert_eq!(hex::encode(int(number)), expected);
    }
    assert_eq!(hex::encode(wider(&int(4))), "1804");
    assert_eq!(hex::encode(wider(&wider(&int(4)))), "190004");
    assert_eq!(hex::encode(wider(&int(1_000_000))), "1b00000000000f4240");
}
