//! What a model's file says of its columns: the comments beside the columns of the final select.
//!
//! They are read from the tokens and not from the syntax tree, which has no comments. A comment
//! belongs to the column that ends on its line; one that stands on lines of its own belongs to the
//! column below, unless it goes on from the comment above.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use super::definition::Model;

/// What ends the list of columns.
const ENDS: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::QUALIFY,
    Keyword::WINDOW,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
];

impl Model {
    /// What the comments beside the columns of the final select say, by column. Of a union the
    /// first select counts.
    pub fn column_comments(&self) -> BTreeMap<String, String> {
        of(&self.text)
    }
}

/// A column of the select under way.
#[derive(Default)]
struct Item {
    name: Option<String>,
    comment: Vec<String>,
}

fn of(text: &str) -> BTreeMap<String, String> {
    let dialect = PostgreSqlDialect {};
    let Ok(tokens) = Tokenizer::new(&dialect, text).tokenize_with_location() else {
        return BTreeMap::new();
    };
    let mut reader = Reader::default();
    for token in tokens {
        if !reader.read(token.token, token.span.start) {
            break;
        }
    }
    reader.close();
    let items = reader.done.into_iter();
    let named = items.filter_map(|item| Some((item.name?, item.comment.join(" "))));
    named.filter(|(_, comment)| !comment.is_empty()).collect()
}

#[derive(Default)]
struct Reader {
    /// Brackets that are open.
    depth: usize,
    /// Whether the final select has begun.
    is_inside: bool,
    done: Vec<Item>,
    item: Item,
    /// Whether the item under way has a token.
    has_begun: bool,
    /// Comments on lines of their own, for the item to come.
    above: Vec<String>,
    /// The line of the last token that is no comment.
    line: u64,
    /// Where the last comment beside an item stands.
    beside: Option<Location>,
    /// Whether the last word was `distinct`, after which `from` is an operator.
    is_distinct: bool,
}

impl Reader {
    /// Whether there is more to read.
    fn read(&mut self, token: Token, at: Location) -> bool {
        match token {
            Token::Whitespace(Whitespace::SingleLineComment { comment, .. }) => {
                if self.is_inside {
                    self.comment(comment.trim(), at);
                }
                return true;
            }
            Token::Whitespace(_) => return true,
            Token::LParen | Token::LBracket | Token::LBrace => self.depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.depth = self.depth.saturating_sub(1);
            }
            Token::Word(word) if self.depth == 0 => {
                let keyword =
                    if word.quote_style.is_some() { Keyword::NoKeyword } else { word.keyword };
                if !self.is_inside {
                    self.is_inside = keyword == Keyword::SELECT;
                    self.line = at.line;
                    return true;
                }
                if ENDS.contains(&keyword) && !self.is_distinct {
                    return false;
                }
                self.is_distinct = keyword == Keyword::DISTINCT;
                let name = match word.quote_style {
                    Some(_) => word.value,
                    None => word.value.to_lowercase(),
                };
                self.begin(at);
                self.item.name = Some(name);
                return true;
            }
            Token::Comma if self.depth == 0 && self.is_inside => {
                self.close();
                self.line = at.line;
                return true;
            }
            Token::SemiColon if self.depth == 0 => return false,
            _ => {}
        }
        if self.is_inside {
            self.begin(at);
        }
        true
    }

    /// A token of an item: a comment that came before it in the item was about a part of it.
    fn begin(&mut self, at: Location) {
        self.has_begun = true;
        self.item.comment.clear();
        self.line = at.line;
        self.beside = None;
    }

    fn close(&mut self) {
        if !self.has_begun {
            return;
        }
        let mut item = std::mem::take(&mut self.item);
        if item.comment.is_empty() {
            item.comment = std::mem::take(&mut self.above);
        }
        self.above.clear();
        self.done.push(item);
        self.has_begun = false;
    }

    fn comment(&mut self, text: &str, at: Location) {
        let goes_on = self
            .beside
            .is_some_and(|beside| beside.column == at.column && beside.line + 1 == at.line);
        let is_beside = at.line == self.line || goes_on;
        if is_beside && self.has_begun {
            self.item.comment.push(text.to_owned());
        } else if is_beside {
            // Beside the comma: the item has ended.
            if let Some(last) = self.done.last_mut() {
                if !goes_on {
                    last.comment.clear();
                }
                last.comment.push(text.to_owned());
            }
        } else if !self.has_begun {
            self.above.push(text.to_owned());
        }
        if is_beside {
            self.beside = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        of(text).into_iter().collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_comment_belongs_to_the_column_that_ends_on_its_line() {
        let text = "-- One row.\n--! kind = \"full\"\nwith a as (\n    select x -- not this\n    \
                    from b\n)\n\nselect\n    a.order_id,       -- the order's\n    \
                    cast(\n        total as decimal(18, 4) -- inner\n    ) as net_amount, -- what is kept\n    \
                    case when x is distinct from 1 then 2 end as \"Weird, name\", -- odd\n    \
                    a.nothing,\n    a.last -- the last\nfrom a -- no\n";
        assert_eq!(
            found(text),
            pairs(&[
                ("Weird, name", "odd"),
                ("last", "the last"),
                ("net_amount", "what is kept"),
                ("order_id", "the order's"),
            ])
        );
    }

    #[test]
    fn a_comment_may_go_on_or_stand_above() {
        let text = "select\n    a,   -- first\n         -- and more\n    -- About b,\n    -- in two lines.\n    b,\n    c    -- third\nfrom x";
        assert_eq!(
            found(text),
            pairs(&[("a", "first and more"), ("b", "About b, in two lines."), ("c", "third")])
        );
    }

    #[test]
    fn text_that_looks_like_a_comment_is_none_and_of_a_union_the_first_counts() {
        let text = "select '-- no' as a, b -- yes\nfrom x\nunion all\nselect c, d -- later\nfrom y";
        assert_eq!(found(text), pairs(&[("b", "yes")]));
        assert_eq!(found("select a from b -- c"), []);
        assert_eq!(found("select 'open"), []);
    }
}
