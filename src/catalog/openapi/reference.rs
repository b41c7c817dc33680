//! Local references: `$ref: '#/components/parameters/Id'`.
//!
//! A reference is a JSON Pointer (RFC 6901) in a URI fragment. What leads out of the
//! document is told and not followed: nothing here reads a file or a network.

use std::collections::{HashMap, HashSet};

use super::tree::{Flaw, NodeId, Tree};

/// Where a node's references lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'t> {
    /// To this node, which is no reference itself.
    Node(NodeId),
    /// Out of the document, as written.
    Outside(&'t str),
}

/// A chain of more references is refused.
const MAX_CHAIN: usize = 64;

/// The text of a node's `$ref`, and where it stands.
pub(super) fn reference<'t>(tree: &'t Tree<'_>, node: NodeId) -> Option<(&'t str, usize)> {
    let value = tree.under(node, "$ref")?;
    Some((tree.scalar(value)?, tree.offset(value)))
}

/// The node that a node stands for: itself, or what its `$ref` leads to in the end.
pub(super) fn resolve<'t>(tree: &'t Tree<'_>, node: NodeId) -> Result<Target<'t>, Flaw> {
    follow(tree, node, &mut Vec::new())
}

/// Where the `$ref` of a node leads at once, which may be another reference; `None` where
/// there is none.
pub(super) fn lead<'t>(tree: &'t Tree<'_>, node: NodeId) -> Result<Option<Target<'t>>, Flaw> {
    step_from(tree, node, &mut Vec::new())
}

fn follow<'t>(
    tree: &'t Tree<'_>,
    mut node: NodeId,
    seen: &mut Vec<NodeId>,
) -> Result<Target<'t>, Flaw> {
    while let Some(target) = step_from(tree, node, seen)? {
        match target {
            Target::Node(next) => node = next,
            outside @ Target::Outside(_) => return Ok(outside),
        }
    }
    Ok(Target::Node(node))
}

fn step_from<'t>(
    tree: &'t Tree<'_>,
    node: NodeId,
    seen: &mut Vec<NodeId>,
) -> Result<Option<Target<'t>>, Flaw> {
    let Some((text, offset)) = reference(tree, node) else {
        return match tree.under(node, "$ref") {
            Some(value) => Err((
                tree.offset(value),
                format!("a `$ref` is a text, and not {}", tree.kind(value)),
            )),
            None => Ok(None),
        };
    };
    if seen.contains(&node) {
        return Err((offset, cycle(text)));
    }
    if seen.len() == MAX_CHAIN {
        let message = format!("more than {MAX_CHAIN} references lead from one to the next");
        return Err((offset, message));
    }
    seen.push(node);
    let Some(pointer) = text.strip_prefix('#') else {
        return Ok(Some(Target::Outside(text)));
    };
    let nowhere = || {
        (
            offset,
            format!("the reference `{}` leads nowhere", text.escape_debug()),
        )
    };
    let mut at = tree.root();
    for token in tokens(pointer).ok_or_else(nowhere)? {
        // What lies behind a reference can be named through it.
        if tree.under(at, &token).is_none() && reference(tree, at).is_some() {
            match follow(tree, at, seen)? {
                Target::Node(node) => at = node,
                outside @ Target::Outside(_) => return Ok(Some(outside)),
            }
        }
        at = step(tree, at, &token).ok_or_else(nowhere)?;
    }
    Ok(Some(Target::Node(at)))
}

/// Every cycle of references that never come to a value, wherever in the document: each at
/// the first of its references. A schema that holds itself is none.
pub(super) fn cycles(tree: &Tree<'_>) -> Vec<Flaw> {
    let mut targets: HashMap<&str, Option<NodeId>> = HashMap::new();
    let mut next: HashMap<NodeId, NodeId> = HashMap::new();
    let mut from: Vec<NodeId> = Vec::new();
    let mut known = HashMap::new();
    for node in tree.all() {
        let Some((text, _)) = reference(tree, node) else {
            continue;
        };
        let target = *targets
            .entry(text)
            .or_insert_with(|| find(tree, text, &mut known));
        if let Some(target) = target.filter(|target| reference(tree, *target).is_some()) {
            next.insert(node, target);
            from.push(node);
        }
    }
    let mut done: HashSet<NodeId> = HashSet::new();
    let mut found = Vec::new();
    for start in from {
        let mut walk = HashSet::new();
        let mut at = Some(start);
        while let Some(node) = at {
            if !walk.insert(node) {
                if let Some((text, offset)) = reference(tree, node) {
                    found.push((offset, cycle(text)));
                }
                break;
            }
            if !done.insert(node) {
                break;
            }
            at = next.get(&node).copied();
        }
    }
    found
}

fn cycle(text: &str) -> String {
    format!(
        "the reference `{}` leads back to itself",
        text.escape_debug()
    )
}

/// The entries of mappings that references lead through, by their keys: a document can
/// have as many references as entries.
type Known<'t> = HashMap<NodeId, HashMap<&'t str, NodeId>>;

/// The node that a local reference names, no reference on the way followed.
fn find<'t>(tree: &'t Tree<'_>, text: &str, known: &mut Known<'t>) -> Option<NodeId> {
    let tokens = tokens(text.strip_prefix('#')?)?;
    tokens.iter().try_fold(tree.root(), |at, token| {
        let Some(entries) = tree.map(at) else {
            return step(tree, at, token);
        };
        let by_key = known.entry(at).or_insert_with(|| {
            // The first of a key counts, so it comes last.
            let entries = entries.iter().rev();
            entries
                .filter_map(|(key, value)| Some((tree.scalar(*key)?, *value)))
                .collect()
        });
        by_key.get(token.as_str()).copied()
    })
}

fn step(tree: &Tree<'_>, at: NodeId, token: &str) -> Option<NodeId> {
    match tree.list(at) {
        Some(items) => items.get(token.parse::<usize>().ok()?).copied(),
        None => tree.under(at, token),
    }
}

/// The tokens of a pointer in a fragment: escapes of the URI first, then `~1` and `~0`.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let unescape = |token: &str| Some(decode(token)?.replace("~1", "/").replace("~0", "~"));
    pointer
        .strip_prefix('/')?
        .split('/')
        .map(unescape)
        .collect()
}

/// Decodes percent escapes; a `%` that begins none stands for itself, as many tools write it.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let hex = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let decoded = hex.and_then(|d| u8::from_str_radix(d, 16).ok());
        match decoded.filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the `$ref` under `at` comes to: the scalar `is` of its target.
    fn resolved(text: &str) -> Result<String, String> {
        let tree = Tree::parse(text).expect(text);
        let at = tree.under(tree.root(), "at").expect("at");
        match resolve(&tree, at).map_err(|(_, message)| message)? {
            Target::Node(node) => {
                let is = tree.under(node, "is").expect("is");
                Ok(tree.scalar(is).expect("a scalar").to_owned())
            }
            Target::Outside(text) => Ok(format!("outside {text}")),
        }
    }

    #[test]
    fn a_local_reference_is_followed() {
        for (reference, is) in [
            ("#/a", "1"),
            ("#/paths/~1x~1{y}", "2"),
            ("#/paths/~1x~1%7By%7D", "2"),
            ("#/list/1", "3"),
            ("#/through/deep", "4"),
            ("#/tilde~01", "5"),
            ("other.yaml#/a", "outside other.yaml#/a"),
            ("https://example.com/a", "outside https://example.com/a"),
        ] {
            let text = format!(
                "at: {{$ref: '{reference}'}}\na: {{$ref: '#/b'}}\nb: {{is: 1}}\n\
                 paths: {{'/x/{{y}}': {{is: 2}}}}\nlist: [0, {{is: 3}}]\n\
                 through: {{$ref: '#/c'}}\nc: {{deep: {{is: 4}}}}\n'tilde~1': {{is: 5}}\n"
            );
            assert_eq!(resolved(&text).as_deref(), Ok(is), "{reference}");
        }
    }

    #[test]
    fn a_reference_that_leads_nowhere_or_round_is_told() {
        for (text, told) in [
            ("at: {$ref: '#/x'}", "the reference `#/x` leads nowhere"),
            ("at: {$ref: '#x'}", "the reference `#x` leads nowhere"),
            (
                "at: {$ref: '#/at/9'}\n",
                "the reference `#/at/9` leads back to itself",
            ),
            (
                "at: {$ref: '#/at'}",
                "the reference `#/at` leads back to itself",
            ),
            (
                "at: {$ref: '#/a'}\na: {$ref: '#/b'}\nb: {$ref: '#/a'}",
                "the reference `#/b` leads back to itself",
            ),
        ] {
            assert_eq!(resolved(text), Err(told.to_owned()), "{text}");
        }
        let mut long = "at: {$ref: '#/a0'}\n".to_owned();
        for at in 0..70 {
            long.push_str(&format!("a{at}: {{$ref: '#/a{}'}}\n", at + 1));
        }
        let told = resolved(&long).expect_err("too long");
        assert_eq!(told, "more than 64 references lead from one to the next");
    }

    #[test]
    fn the_first_of_a_key_counts_in_a_cycle_too() {
        let text =
            "a: {$ref: '#/b'}\nb: {$ref: '#/a'}\nb: 1\nc: {$ref: '#/d/0'}\nd: [{$ref: '#/c'}]\n";
        let tree = Tree::parse(text).expect("YAML");
        let lines = cycles(&tree).into_iter().map(|(at, _)| tree.place(at).0);
        assert_eq!(lines.collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn cycles_are_found_wherever_they_are() {
        let text = "x:\n  a: {$ref: '#/x/b'}\n  b: {$ref: '#/x/c'}\n  c: {$ref: '#/x/b'}\n\
                    s: {properties: {child: {$ref: '#/s'}}}\nself: {$ref: '#/self'}\n";
        let tree = Tree::parse(text).expect("YAML");
        let mut lines: Vec<usize> = cycles(&tree)
            .iter()
            .map(|(at, _)| tree.place(*at).0)
            .collect();
        lines.sort_unstable();
        assert_eq!(lines, [3, 6]);
    }
}
