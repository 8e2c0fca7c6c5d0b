//! The links and headings of a page in Markdown, as far as these pages use it. Code has neither.

use std::collections::{BTreeMap, BTreeSet};

/// A link or a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Line of the page, from 1.
    pub(super) line: usize,
    /// As it is written, with its anchor.
    pub(super) target: String,
}

/// What a page links to, and what can be linked to in it.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) links: Vec<Link>,
    pub(super) anchors: BTreeSet<String>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut headings = BTreeMap::new();
        let mut is_code = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                if let Some(heading) = heading(line) {
                    page.anchors.insert(anchor(heading, &mut headings));
                }
                let targets = targets(&without_code(line));
                page.links.extend(targets.into_iter().map(|target| Link {
                    line: number + 1,
                    target,
                }));
            }
        }
        page
    }
}

/// The text of a heading.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    (1..=6).contains(&level).then(|| text.strip_prefix(' '))?
}

/// What forges make of a heading: small letters, hyphens for spaces, no punctuation; a number after one that was there
/// before.
fn anchor(heading: &str, before: &mut BTreeMap<String, usize>) -> String {
    let letters = heading.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    });
    let name: String = letters.collect::<String>().to_lowercase();
    let same = before.entry(name.clone()).or_default();
    *same += 1;
    match *same {
        1 => name,
        several => format!("{name}-{}", several - 1),
    }
}

/// The line without what stands between backquotes.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// The targets in a line: `[text](target)`, also where the text began in a line before, `[text]: target`, and those of
/// elements of HTML.
fn targets(line: &str) -> Vec<String> {
    let within = |open: &str, close: char| {
        let parts = line.split(open).skip(1);
        let targets = parts.filter_map(move |part| Some(part.split_once(close)?.0.to_owned()));
        targets.collect::<Vec<_>>()
    };
    let mut found = within("](", ')');
    found.extend(within("src=\"", '"'));
    found.extend(within("href=\"", '"'));
    if line.starts_with('[') {
        found.extend(line.split_once("]: ").map(|(_, target)| target.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets_of(text: &str) -> Vec<String> {
        let links = Page::read(text).links;
        links.into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_pictures_and_elements_are_found() {
        let text =
            "[a](a.md) and ![b](b.svg)\n<img src=\"c.png\"> <a href=\"d.md\">d</a>\n[e]: e.md";
        assert_eq!(targets_of(text), ["a.md", "b.svg", "c.png", "d.md", "e.md"]);
    }

    #[test]
    fn a_link_whose_text_began_in_the_line_before_is_found() {
        assert_eq!(targets_of("[a\nb](c.md)"), ["c.md"]);
    }

    #[test]
    fn code_has_no_links_and_no_headings() {
        let page = Page::read("```\n[a](a.md)\n# A\n```\n`[b](b.md)` [c](c.md)\n");
        assert_eq!(page.links.len(), 1);
        assert_eq!(page.links[0].line, 5);
        assert!(page.anchors.is_empty());
    }

    #[test]
    fn anchors_are_those_of_forges() {
        let text = "# The card: `what`, *where*\n## For Prometheus: `--listen`\n### Facts (6.18)\n#no\n####### no";
        let anchors: Vec<_> = Page::read(text).anchors.into_iter().collect();
        assert_eq!(
            anchors,
            [
                "facts-618",
                "for-prometheus---listen",
                "the-card-what-where"
            ]
        );
    }

    #[test]
    fn the_second_heading_of_a_name_gets_a_number() {
        let anchors = Page::read("# Same\n# Same\n# Same\n").anchors;
        let anchors: Vec<_> = anchors.into_iter().collect();
        assert_eq!(anchors, ["same", "same-1", "same-2"]);
    }
}
