//! What `--per` divides by, in words.

/// What figures are divided by, from the label that counts it: "request" of "requests"; of whatever is no such plural
/// "unit of" the label.
#[must_use]
pub(super) fn one_unit(label: &str) -> String {
    let is_word = !label.is_empty() && label.bytes().all(|letter| letter.is_ascii_lowercase());
    let one = label
        .strip_suffix('s')
        .filter(|one| is_word && one.len() > 1 && !one.ends_with('s'));
    match one {
        Some(one) if one.ends_with("ie") => format!("{}y", &one[..one.len() - 2]),
        Some(one)
            if ["che", "she", "xe", "sse"]
                .iter()
                .any(|end| one.ends_with(end)) =>
        {
            one[..one.len() - 1].to_owned()
        }
        Some(one) => one.to_owned(),
        None => format!("unit of {label}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_called_by_its_label() {
        for (label, unit) in [
            ("requests", "request"),
            ("queries", "query"),
            ("batches", "batch"),
            ("classes", "class"),
            ("images", "image"),
            ("access", "unit of access"),
            ("s", "unit of s"),
            ("work", "unit of work"),
            ("GET requests", "unit of GET requests"),
            ("", "unit of "),
        ] {
            assert_eq!(one_unit(label), unit);
        }
    }
}
