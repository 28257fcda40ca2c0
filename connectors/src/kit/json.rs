//! A cursor over one JSON text, for decoding by a declared schema.
//!
//! Numbers are handed out as their own text and never pass through a float. What the schema does
//! not know is skipped as a span of the text. Nesting is bounded, so that no answer can overflow
//! the stack.

use std::borrow::Cow;

/// How deep a value may be nested.
const DEPTH: usize = 64;

/// Why a text is not JSON; tells the byte, never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: usize,
}

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, Malformed>;

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed<T>(&self) -> Parsed<T> {
        Err(Malformed { at: self.at })
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn span(&self, from: usize) -> Parsed<&'a str> {
        self.text.get(from..self.at).ok_or(Malformed { at: from })
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        self.space();
        if self.byte() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        self.malformed()
    }

    fn literal(&mut self, word: &str) -> Parsed<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.malformed()
    }

    /// Looks at what comes next.
    pub(super) fn next(&mut self) -> Parsed<Next> {
        self.space();
        Ok(match self.byte() {
            Some(b'n') => Next::Null,
            Some(b't' | b'f') => Next::Boolean,
            Some(b'-' | b'0'..=b'9') => Next::Number,
            Some(b'"') => Next::Text,
            Some(b'[') => Next::Array,
            Some(b'{') => Next::Object,
            _ => return self.malformed(),
        })
    }

    pub(super) fn null(&mut self) -> Parsed<()> {
        self.literal("null")
    }

    pub(super) fn boolean(&mut self) -> Parsed<bool> {
        if self.byte() == Some(b't') {
            self.literal("true").map(|()| true)
        } else {
            self.literal("false").map(|()| false)
        }
    }

    /// A number's own text.
    pub(super) fn number(&mut self) -> Parsed<&'a str> {
        let from = self.at;
        let digits = |cursor: &mut Self| {
            let start = cursor.at;
            while let Some(b'0'..=b'9') = cursor.byte() {
                cursor.at += 1;
            }
            if cursor.at == start { cursor.malformed() } else { Ok(()) }
        };
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        digits(self)?;
        if self.byte() == Some(b'.') {
            self.at += 1;
            digits(self)?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            digits(self)?;
        }
        self.span(from)
    }

    /// A string's content; borrowed unless it holds an escape.
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, str>> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            match self.byte() {
                Some(b'"') => {
                    let content = self.span(from)?;
                    self.at += 1;
                    return Ok(Cow::Borrowed(content));
                }
                Some(b'\\') => return self.escaped(from).map(Cow::Owned),
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return self.malformed(),
            }
        }
    }

    fn escaped(&mut self, from: usize) -> Parsed<String> {
        let mut content = self.span(from)?.to_owned();
        loop {
            let start = self.at;
            while self.byte().is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            content.push_str(self.span(start)?);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(content);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escape = self.byte();
                    self.at += 1;
                    content.push(match escape {
                        Some(b'"') => '"',
                        Some(b'\\') => '\\',
                        Some(b'/') => '/',
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => self.unicode()?,
                        _ => return self.malformed(),
                    });
                }
                _ => return self.malformed(),
            }
        }
    }

    /// The character of `\uXXXX`, or of a surrogate pair. Half a pair becomes U+FFFD, since Rust
    /// text cannot hold it and refusing the record would lose the rest.
    fn unicode(&mut self) -> Parsed<char> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after = self.at;
        if self.literal("\\u").is_ok() {
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Parsed<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed { at: self.at })?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return self.malformed();
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Malformed { at: self.at })
    }

    fn enter(&mut self, open: u8) -> Parsed<()> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH { self.malformed() } else { Ok(()) }
    }

    /// Enters an array; true if it holds something.
    pub(super) fn enter_array(&mut self) -> Parsed<bool> {
        self.enter(b'[')?;
        self.space();
        Ok(!self.leave_if(b']'))
    }

    /// After an item: true if another follows.
    pub(super) fn next_item(&mut self) -> Parsed<bool> {
        self.space();
        if self.leave_if(b']') {
            return Ok(false);
        }
        self.expect(b',').map(|()| true)
    }

    /// Enters an object; true if it holds something.
    pub(super) fn enter_object(&mut self) -> Parsed<bool> {
        self.enter(b'{')?;
        self.space();
        Ok(!self.leave_if(b'}'))
    }

    /// After a member: true if another follows.
    pub(super) fn next_member(&mut self) -> Parsed<bool> {
        self.space();
        if self.leave_if(b'}') {
            return Ok(false);
        }
        self.expect(b',').map(|()| true)
    }

    /// A member's name; the cursor stands before its value then.
    pub(super) fn name(&mut self) -> Parsed<Cow<'a, str>> {
        self.space();
        let name = self.string()?;
        self.expect(b':')?;
        Ok(name)
    }

    fn leave_if(&mut self, close: u8) -> bool {
        let is_end = self.byte() == Some(close);
        if is_end {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
        }
        is_end
    }

    /// Passes over a value and hands out its text.
    pub(super) fn skip(&mut self) -> Parsed<&'a str> {
        self.space();
        let from = self.at;
        match self.next()? {
            Next::Null => self.null()?,
            Next::Boolean => self.boolean().map(drop)?,
            Next::Number => self.number().map(drop)?,
            Next::Text => self.string().map(drop)?,
            Next::Array => {
                let mut more = self.enter_array()?;
                while more {
                    self.skip()?;
                    more = self.next_item()?;
                }
            }
            Next::Object => {
                let mut more = self.enter_object()?;
                while more {
                    self.name()?;
                    self.skip()?;
                    more = self.next_member()?;
                }
            }
        }
        self.span(from)
    }

    /// Nothing but space may be left.
    pub(super) fn end(&mut self) -> Parsed<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.malformed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_every_character() {
        for (text, content) in [
            (r#""plain""#, "plain"),
            (r#""ü ✓""#, "ü ✓"),
            (r#""a\"b\\c\/d\n\t\u00e9""#, "a\"b\\c/d\n\té"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""\ud83d!""#, "\u{fffd}!"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
        ] {
            assert_eq!(Cursor::new(text).string().unwrap(), content, "{text}");
        }
        for broken in [r#""open"#, r#""\x""#, r#""\u12""#, "\"\n\""] {
            assert!(Cursor::new(broken).string().is_err(), "{broken}");
        }
    }

    #[test]
    fn whatever_serde_takes_is_skipped_whole_and_nothing_else() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-12.50e+3",
            "[]",
            "{}",
            "[1, [2, {\"a\": []}]]",
            "{\"a\": {\"b\": [null, \"]}\"]}, \"c\": -1}",
        ] {
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.skip().unwrap(), text);
            cursor.end().unwrap();
        }
        for broken in
            ["", "nul", "[1,]", "{\"a\"}", "{\"a\":1,}", "[1 2]", "1.", "-", "tru", "[", "01x"]
        {
            let mut cursor = Cursor::new(broken);
            assert!(cursor.skip().and_then(|_| cursor.end()).is_err(), "{broken}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(Cursor::new(&deep).skip().is_err());
    }
}
