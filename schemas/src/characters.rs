//! Which characters a text that a person typed may hold.
//!
//! Every script, four-byte ones included, is welcome. Refused is what has no shape of its own and makes a text look like
//! another one: control characters, direction overrides, marks that nobody sees, damage from a wrong decoding.

/// Whether this character may stand in what people type. Line feeds are the caller's to allow.
pub(crate) fn is_permitted(character: char) -> bool {
    !(character.is_control()
        || is_direction_mark(character)
        || is_noncharacter(character)
        || matches!(character,
            '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'   // invisible; joiners stay, scripts and emoji need them
            | '\u{2028}' | '\u{2029}'                           // line and paragraph separators
            | '\u{fff9}'..='\u{fffd}'                           // annotations, objects, the replacement character
            | '\u{e0000}'..='\u{e007f}')) // tags: a whole hidden alphabet
}

/// Marks, embeddings, overrides and isolates: they reorder what follows them.
fn is_direction_mark(character: char) -> bool {
    matches!(character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The 66 code points that Unicode promises never to assign.
fn is_noncharacter(character: char) -> bool {
    let code_point = u32::from(character);
    (0xfdd0..=0xfdef).contains(&code_point) || code_point & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_66_noncharacters() {
        assert_eq!(('\0'..=char::MAX).filter(|&character| is_noncharacter(character)).count(), 66);
    }

    #[test]
    fn letters_of_all_planes_are_permitted_and_tricks_are_not() {
        for character in ['张', '𠮷', '𪚥', '·', 'é', 'ی', '\u{200d}', '\u{fe0f}', '😷', '\u{e123}', '　'] {
            assert!(is_permitted(character), "{character:?}");
        }
        for character in
            ['\0', '\n', '\u{7f}', '\u{85}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{fffd}', '\u{10ffff}']
        {
            assert!(!is_permitted(character), "{character:?}");
        }
    }
}
