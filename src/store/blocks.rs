//! Cuts a token file into blocks at its `[[token]]` lines, so that each can be parsed,
//! hashed and replaced on its own.
//!
//! A block begins with the comment lines that stand directly above its `[[token]]` line,
//! no blank line between, and ends where the next one begins. What precedes the first
//! block is the preamble; a comment that opens the file belongs to it even where no blank
//! line follows, for it speaks of the file. Detached comments belong to the block before.
//!
//! This is no TOML parser: it knows comments and strings well enough not to be misled by a
//! `[[token]]` inside them, and leaves every judgement to the parser that reads the blocks.
//! Where the two could disagree (a header spelt with escapes, say), the block holds more
//! than one table or none, and is refused.

use std::ops::Range;

/// A file's text, cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// From after a byte-order mark to the first block.
    pub(super) preamble: Range<usize>,
    /// Each block, in the file's order; they follow each other without a gap.
    pub(super) blocks: Vec<Range<usize>>,
}

/// Cuts a text.
pub(super) fn cut(text: &str) -> Cut {
    let start = if text.starts_with('\u{feff}') { 3 } else { 0 };
    cut_from(text, start, true)
}

/// Cuts the rest of a text, from where a block begins.
pub(super) fn cut_on(text: &str) -> Cut {
    cut_from(text, 0, false)
}

fn cut_from(text: &str, start: usize, opens: bool) -> Cut {
    let bytes = text.as_bytes();
    let mut starts = Vec::new();
    let mut comments = None;
    let mut line = start;
    while line < bytes.len() {
        let at = skip_blanks(bytes, line);
        match bytes.get(at) {
            Some(b'#') => {
                comments.get_or_insert(line);
            }
            Some(b'[') if is_header(bytes, at) => {
                let above = comments.take().filter(|&run| !opens || run != start);
                starts.push(above.unwrap_or(line));
            }
            _ => comments = None,
        }
        line = skip_line(bytes, at);
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    Cut {
        preamble: start..starts.first().copied().unwrap_or(bytes.len()),
        blocks: starts.iter().zip(ends).map(|(&a, b)| a..b).collect(),
    }
}

/// Where the first line of a text begins that is neither blank nor comment; the text's end
/// where there is none.
pub(super) fn body_start(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut line = 0;
    while line < bytes.len() {
        let at = skip_blanks(bytes, line);
        if !matches!(bytes.get(at), None | Some(b'#' | b'\n' | b'\r')) {
            return at;
        }
        line = skip_line(bytes, at);
    }
    bytes.len()
}

/// Where the last line of a block that is neither blank nor comment ends, its line end
/// included: what follows it are detached comments, which outlive the token.
pub(super) fn body_end(block: &str) -> usize {
    let bytes = block.as_bytes();
    let (mut line, mut end) = (0, 0);
    while line < bytes.len() {
        let at = skip_blanks(bytes, line);
        line = skip_line(bytes, at);
        if !matches!(bytes.get(at), None | Some(b'#' | b'\n' | b'\r')) {
            end = line;
        }
    }
    end
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Whether `[[token]]` stands here, with blanks or quotes where TOML allows them.
fn is_header(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(b"[[") else {
        return false;
    };
    let rest = rest.get(skip_blanks(rest, 0)..).unwrap_or_default();
    let name = [&b"token"[..], b"\"token\"", b"'token'"]
        .into_iter()
        .find_map(|name| rest.strip_prefix(name));
    name.is_some_and(|rest| {
        let rest = rest.get(skip_blanks(rest, 0)..).unwrap_or_default();
        rest.starts_with(b"]]")
    })
}

/// The start of the next line that is not inside a string begun on this one.
fn skip_line(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'\n' => return at + 1,
            b'#' => return after(bytes, at, b'\n'),
            b'"' | b'\'' => skip_string(bytes, at, byte),
            _ => at + 1,
        };
    }
    at
}

fn after(bytes: &[u8], at: usize, what: u8) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let found = rest.iter().position(|&b| b == what);
    found.map_or(bytes.len(), |found| at + found + 1)
}

/// The end of the string that opens here. One that is not closed ends with its line, a
/// multi-line one with the text: the parser then tells the fault at its place.
fn skip_string(bytes: &[u8], open: usize, quote: u8) -> usize {
    let escapes = quote == b'"';
    let triple = [quote; 3];
    let at_triple = |at: usize| {
        bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(&triple))
    };
    let multi_line = at_triple(open);
    let mut at = open + if multi_line { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        if escapes && byte == b'\\' {
            // An escaped line end does not close an unclosed string's line.
            at += if !multi_line && bytes.get(at + 1) == Some(&b'\n') {
                1
            } else {
                2
            };
        } else if byte == b'\n' && !multi_line {
            return at;
        } else if byte == quote && !multi_line {
            return at + 1;
        } else if byte == quote && at_triple(at) {
            // Up to two quotes may stand directly before the closing three.
            at += 3;
            let more = bytes.get(at..).unwrap_or_default().iter().take(2);
            return at + more.take_while(|&&b| b == quote).count();
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(text: &str) -> Vec<&str> {
        let cut = cut(text);
        cut.blocks.into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn comments_directly_above_belong_to_the_block() {
        let text = "# file\n\n# of a\n# too\n[[token]]\nsid='a'\n\n# detached\n\n # of b\n[[token]]\nsid='b'";
        assert_eq!(
            blocks(text),
            [
                "# of a\n# too\n[[token]]\nsid='a'\n\n# detached\n\n",
                " # of b\n[[token]]\nsid='b'"
            ]
        );
        assert_eq!(cut(text).preamble, 0..8);
    }

    #[test]
    fn a_comment_that_opens_the_file_is_the_files() {
        assert_eq!(blocks("# mine\n[[token]]\n"), ["[[token]]\n"]);
        assert_eq!(blocks("\u{feff}# mine\n[[token]]\n"), ["[[token]]\n"]);
    }

    #[test]
    fn headers_have_several_spellings() {
        let text = "[[token]]\r\n [[ token ]] # x\n\t[[\"token\"]]\n[['token' ]]";
        assert_eq!(blocks(text).len(), 4);
        for other in [
            "[token]",
            "[[tokens]]",
            "[[token.x]]",
            "[ [token]]",
            "x=[[token]]",
        ] {
            assert_eq!(blocks(other).len(), 0, "{other}");
        }
    }

    #[test]
    fn strings_and_comments_hide_headers() {
        for hidden in [
            "a=\"\"\"\n[[token]]\n\"\"\"\n",
            "a='''\n[[token]]\n'''\n",
            "a=\"\"\"\\\"\"\"\n[[token]]\n\"\"\"\"\"\n",
            "a='''\\'''\n",
            "# \"\"\"\n",
            "a=\"\" # '''\n",
            "a='\"\"\"'\n",
            "a=\"\\\"'''\"\n",
        ] {
            let text = format!("[[token]]\n{hidden}[[token]]\n");
            assert_eq!(blocks(&text).len(), 2, "{text}");
        }
    }

    #[test]
    fn an_unclosed_string_costs_its_own_block_only() {
        assert_eq!(blocks("[[token]]\na=\"x\n[[token]]\n").len(), 2);
        assert_eq!(blocks("[[token]]\na=\"x\\\n[[token]]\n").len(), 2);
        assert_eq!(blocks("[[token]]\na='''x\n[[token]]\n").len(), 1);
    }

    #[test]
    fn the_body_ends_before_detached_comments() {
        let block = "# c\n[[token]]\na = 1 # x\n  # tail\n\n# more\n";
        assert_eq!(&block[body_end(block)..], "  # tail\n\n# more\n");
        assert_eq!(body_end("[[token]]"), 9);
    }

    proptest! {
        /// Whatever the text, the pieces are the text.
        #[test]
        fn nothing_is_lost(text in "(\\[\\[token\\]\\]|\n|#|\"|\"\"\"|'|'''|\\\\|a|é| |=){0,40}") {
            let cut = cut(&text);
            let mut whole = text[cut.preamble.clone()].to_owned();
            for block in &cut.blocks {
                whole.push_str(&text[block.clone()]);
            }
            prop_assert_eq!(whole, text);
        }

        /// A text that the parser takes is cut where the parser sees tables.
        #[test]
        fn agrees_with_the_parser(text in "(\\[\\[token\\]\\]\n|a='''|b=\"\"\"|'''\n|\"\"\"\n|c='x'\n|\n|# '\n|\\\\\"|'|\"){0,12}") {
            if let Ok(table) = text.parse::<toml::Table>() {
                let tables = table.get("token").and_then(|t| t.as_array()).map_or(0, Vec::len);
                prop_assert_eq!(cut(&text).blocks.len(), tables);
            }
        }
    }
}
