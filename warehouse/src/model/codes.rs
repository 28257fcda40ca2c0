//! A page on every code: what it means, a wrong model, the right one, and why it matters.
//!
//! The examples are read by a test: the wrong one yields the code, the right one nothing.

/// The page of a code (`E012`, in any case), in Markdown.
pub fn page(code: &str) -> Option<&'static str> {
    let code = code.to_uppercase();
    PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}

const PAGES: [(&str, &str); 31] = [
    ("E001", include_str!("codes/E001.md")),
    ("E002", include_str!("codes/E002.md")),
    ("E003", include_str!("codes/E003.md")),
    ("E004", include_str!("codes/E004.md")),
    ("E005", include_str!("codes/E005.md")),
    ("E006", include_str!("codes/E006.md")),
    ("E007", include_str!("codes/E007.md")),
    ("E010", include_str!("codes/E010.md")),
    ("E011", include_str!("codes/E011.md")),
    ("E012", include_str!("codes/E012.md")),
    ("E013", include_str!("codes/E013.md")),
    ("E014", include_str!("codes/E014.md")),
    ("E015", include_str!("codes/E015.md")),
    ("E020", include_str!("codes/E020.md")),
    ("E021", include_str!("codes/E021.md")),
    ("E022", include_str!("codes/E022.md")),
    ("E023", include_str!("codes/E023.md")),
    ("E024", include_str!("codes/E024.md")),
    ("E030", include_str!("codes/E030.md")),
    ("E031", include_str!("codes/E031.md")),
    ("E032", include_str!("codes/E032.md")),
    ("E033", include_str!("codes/E033.md")),
    ("E034", include_str!("codes/E034.md")),
    ("E035", include_str!("codes/E035.md")),
    ("E040", include_str!("codes/E040.md")),
    ("E041", include_str!("codes/E041.md")),
    ("E042", include_str!("codes/E042.md")),
    ("E043", include_str!("codes/E043.md")),
    ("E044", include_str!("codes/E044.md")),
    ("E045", include_str!("codes/E045.md")),
    ("E046", include_str!("codes/E046.md")),
];

#[cfg(test)]
mod tests;
