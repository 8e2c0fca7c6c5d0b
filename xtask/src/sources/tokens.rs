//! Source text as tokens: words, `::` and single characters, without comments, string literals and
//! tests.

/// The tokens of a source file, without code compiled only for tests.
pub(crate) fn of(source: &str) -> Vec<String> {
    without_tests(&split(source))
}

fn split(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let skipped = blank(rest);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        let word = rest.iter().take_while(|c| is_of_word(**c)).count();
        let length = match rest {
            _ if word > 0 => word,
            [':', ':', ..] => 2,
            _ => 1,
        };
        tokens.push(rest[..length].iter().collect());
        at += length;
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many characters at the beginning are not a token: space, a comment, a string or character
/// literal, a lifetime.
fn blank(text: &[char]) -> usize {
    match text {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => until(text, 2, &['\n']),
        ['/', '*', ..] => until(text, 2, &['*', '/']),
        ['"', ..] => quoted(text, '"'),
        ['b', '"', ..] => 1 + quoted(&text[1..], '"'),
        ['r', '"' | '#', ..] => raw(text, 1),
        ['b', 'r', '"' | '#', ..] => raw(text, 2),
        ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(text, '\''),
        ['\'', ..] => 1 + text[1..].iter().take_while(|c| is_of_word(**c)).count(),
        _ => 0,
    }
}

/// Length up to and including an end, which comes after `from` characters.
fn until(text: &[char], from: usize, end: &[char]) -> usize {
    let found = text[from..].windows(end.len()).position(|w| w == end);
    found.map_or(text.len(), |place| from + place + end.len())
}

fn quoted(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// Length of a raw string whose number signs begin at this position; 0 for a raw identifier.
fn raw(text: &[char], start: usize) -> usize {
    let signs = text[start..].iter().take_while(|c| **c == '#').count();
    if text.get(start + signs) != Some(&'"') {
        return 0;
    }
    let mut end = vec!['"'];
    end.resize(1 + signs, '#');
    until(text, start + signs + 1, &end)
}

/// Removes each item after an attribute about tests.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let attribute = attribute(&tokens[at..]);
        let inside = &tokens[at..at + attribute];
        let is_cfg = inside.get(2).is_some_and(|word| word == "cfg");
        let not = inside.iter().any(|word| word == "not");
        if is_cfg && !not && inside.iter().any(|word| word == "test") {
            at += attribute;
            at += item(&tokens[at..]);
        } else {
            let length = attribute.max(1);
            kept.extend_from_slice(&tokens[at..at + length]);
            at += length;
        }
    }
    kept
}

/// Length of an attribute at the beginning, 0 if there is none.
fn attribute(tokens: &[String]) -> usize {
    let begins = tokens.len() > 1 && tokens[0] == "#" && tokens[1] == "[";
    if begins {
        1 + bracketed(&tokens[1..])
    } else {
        0
    }
}

/// Length of an item: to its semicolon, or to the end of its braces.
fn item(tokens: &[String]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => {
                let end = at + bracketed(&tokens[at..]);
                // `use a::{b, c};`
                let has_semicolon = tokens.get(end).is_some_and(|token| token == ";");
                return end + usize::from(has_semicolon);
            }
            "(" | "[" => at += bracketed(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Length from a bracket to the matching one.
pub(crate) fn bracketed(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (place, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_tests_are_left_out() {
        let source = r##"
            //! crate::a
            /* crate::b */ use crate::{c, d};
            const T: &str = "crate::e"; const R: &str = r#"crate::"f"#;
            fn x<'a>(c: char) -> bool { c == '"' || c == '\'' }
            #[cfg(test)]
            mod tests { use crate::g; }
            #[cfg(any(test, fuzzing))]
            use crate::{h, i};
            #[cfg(not(test))]
            use crate::j;
        "##;
        let kept = of(source).join(" ");
        assert!(kept.contains("use crate :: { c , d } ;") && kept.contains("use crate :: j ;"));
        for left_out in ["a", "b", "e", "f", "g", "h", "i"] {
            assert!(
                !kept.contains(&format!(":: {left_out} ")),
                "{left_out}: {kept}"
            );
        }
        assert!(kept.contains("fn x < > ( c : char )"), "{kept}");
    }
}
