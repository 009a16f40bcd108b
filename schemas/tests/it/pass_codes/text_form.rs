//! Texts that are no code, or another spelling of one.

use super::genuine::LONGEST_NAME_BYTES;
use super::*;

pub(super) fn cases() -> Vec<Case> {
    let text = issued(&code(), Key::City);
    let base45 = text.strip_prefix("GZ1:").unwrap();
    let case = |name: &str, text: &str| Case::malformed(name, text.to_owned());
    // Two characters at the end stand for one byte; these stand for 256 more.
    let one_byte_at_the_end = issued(&named("张**"), Key::City);
    assert!(one_byte_at_the_end.len().is_multiple_of(3), "a prefix of 4, triplets, and 2");
    vec![
        case("nothing", ""),
        case("the prefix alone", "GZ1:"),
        case("without the prefix", base45),
        case("the prefix of another version", &format!("GZ2:{base45}")),
        case("the prefix in lower case", &format!("gz1:{base45}")),
        case("the prefix twice", &format!("GZ1:{text}")),
        case("in lower case", &format!("GZ1:{}", base45.to_lowercase())),
        case("one letter in lower case", &lower_first_letter(&text)),
        case("a space before", &format!(" {text}")),
        case("a space after", &format!("{text} ")),
        case("a line feed after", &format!("{text}\n")),
        case("a byte order mark before", &format!("\u{feff}{text}")),
        case("a character too many", &format!("{text}0")),
        case("two characters too many", &format!("{text}00")),
        case("a character too few", &text[..text.len() - 1]),
        case("three characters too few", &text[..text.len() - 3]),
        case("the first half", &text[..text.len() / 2]),
        case("a character that Base45 hasn't", &text.replacen(&text[10..11], "!", 1)),
        case("a full-width character", &text.replacen(&text[10..11], "Ａ", 1)),
        case("a NUL within", &text.replacen(&text[10..11], "\0", 1)),
        case("three characters that stand for 65536", &format!("GZ1:0EX{}", &base45[3..])),
        case("three characters that stand for 91124", &format!("GZ1::::{}", &base45[3..])),
        case("the last byte spelt 256 higher", &overflowing_tail(&one_byte_at_the_end)),
        case(
            "one byte more than is read: 801 characters",
            &issued(&named(&"*".repeat(LONGEST_NAME_BYTES + 1)), Key::City),
        ),
        case("five thousand characters", &format!("GZ1:{}", "0".repeat(5_000))),
        case("a uniform resource locator", "https://gz.example/GZ1"),
        case("a health certificate of another kind", &format!("HC1:{base45}")),
    ]
}

fn named(name: &str) -> PassCode {
    PassCode { masked_name: Some(name.to_owned()), ..code() }
}

fn lower_first_letter(text: &str) -> String {
    let at = 4 + text[4..].find(|character: char| character.is_ascii_uppercase()).unwrap();
    format!("{}{}{}", &text[..at], text[at..=at].to_lowercase(), &text[at + 1..])
}

/// 256 is 31 + 5 × 45.
fn overflowing_tail(text: &str) -> String {
    const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    let digit = |at: usize| ALPHABET.iter().position(|letter| *letter == text.as_bytes()[at]).unwrap();
    let spelt = digit(text.len() - 2) + 45 * digit(text.len() - 1) + 256;
    let letter = |digit: usize| char::from(ALPHABET[digit]);
    format!("{}{}{}", &text[..text.len() - 2], letter(spelt % 45), letter(spelt / 45))
}
