//! How something personal appears where it must not: its first and its last character, and as many stars as lay between.

/// `1****************X`; what has one or two characters is all stars.
pub(crate) fn ends(text: &str) -> String {
    let length = text.chars().count();
    let shown = |at: usize| length > 2 && (at == 0 || at == length - 1);
    text.chars().enumerate().map(|(at, character)| if shown(at) { character } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn only_the_ends_are_shown() {
        assert_eq!(ends("粤A12345"), "粤*****5");
        assert_eq!(ends("abc"), "a*c");
        assert_eq!(ends("ab"), "**");
        assert_eq!(ends(""), "");
    }
}
