//! Every code has a page, and its examples are true: the wrong one yields the code, the right one
//! nothing. They stand among the models of `tests/check/shop`.

use super::{PAGES, page};
use crate::model::shop::findings;
use crate::model::{ModelSource, code};

/// The models below a heading: ```` ```sql PATH ```` and the text up to the closing fence.
fn examples(page: &str, heading: &str) -> Vec<ModelSource> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sql ").skip(1).map(|block| {
        let (path, rest) = block.split_once('\n').unwrap();
        let text = rest.split("\n```").next().unwrap_or_default();
        ModelSource { path: path.trim().to_owned(), text: format!("{text}\n") }
    });
    blocks.collect()
}

#[test]
fn every_code_has_a_page_in_order() {
    let pages: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
    assert_eq!(pages, code::ALL);
    for (code, text) in PAGES {
        assert!(text.starts_with(&format!("# {code}: ")), "{code} begins otherwise");
        for heading in ["Wrong", "Right", "Why it matters"] {
            assert!(text.contains(&format!("\n## {heading}\n")), "{code} lacks `{heading}`");
        }
    }
    assert_eq!(page("e012"), page("E012"));
    assert!(page("E999").is_none());
}

#[test]
fn the_wrong_example_yields_its_code_and_the_right_one_nothing() {
    let mut lies = Vec::new();
    for (code, text) in PAGES {
        let (wrong, right) = (examples(text, "Wrong"), examples(text, "Right"));
        assert!(!wrong.is_empty() && !right.is_empty(), "{code} lacks an example");
        let found = findings(wrong);
        if found.is_empty() || found.iter().any(|finding| finding.code != code) {
            lies.push(format!("{code}: the wrong example yields {found:#?}"));
        }
        let found = findings(right);
        if !found.is_empty() {
            lies.push(format!("{code}: the right example yields {found:#?}"));
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}
