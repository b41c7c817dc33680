//! Reads one path item: what holds for all of its operations, and each of these.

use http::Method;

use super::super::operation::{Operation, Refusal};
use super::super::path::{Converted, Refused, Terms, convert};
use super::super::reference::{Target, lead, resolve};
use super::super::slug::name_for_people;
use super::super::tree::{Flaw, NodeId};
use super::{Item, MERGE, NO_MERGE, Reader};

/// The fixed fields of a path item that hold an operation.
const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

impl<'r> Reader<'r, '_> {
    pub(super) fn path(&mut self, key: NodeId, value: NodeId) -> Result<(), Flaw> {
        let tree = self.tree;
        let path = tree
            .scalar(key)
            .ok_or_else(|| self.expected(key, "a path", "a text"))?;
        if path.starts_with("x-") {
            return Ok(());
        }
        if path == MERGE {
            let message = format!("`<<` of `paths` is not imported: {NO_MERGE}");
            self.warn(tree.offset(key), message);
            return Ok(());
        }
        if tree.map(value).is_none() {
            return Err(self.expected(value, "a path item", "a mapping"));
        }
        self.once(value);
        let chain = self.chain(value, path)?;
        let item = Item {
            path,
            offset: tree.offset(key),
            parameters: self.nearest(&chain, "parameters", path),
            servers: self.nearest(&chain, "servers", path),
        };
        for (at, &node) in chain.iter().enumerate() {
            self.once(node);
            self.item(node, chain.get(..at).unwrap_or_default(), &item)?;
        }
        Ok(())
    }

    /// A path item and those to which its `$ref` leads, one after the other.
    fn chain(&mut self, item: NodeId, path: &str) -> Result<Vec<NodeId>, Flaw> {
        let tree = self.tree;
        // A chain that has no end, or a wrong one, is told by this.
        let end = resolve(tree, item)?;
        let mut chain = vec![item];
        let mut at = item;
        while let Some(Target::Node(next)) = lead(tree, at)? {
            if tree.map(next).is_none() {
                return Err(self.expected(next, "a path item", "a mapping"));
            }
            chain.push(next);
            at = next;
        }
        if let Target::Outside(text) = end {
            let (text, path) = (text.escape_debug(), path.escape_debug());
            let message = format!(
                "`{path}` is not imported: `{text}` lies outside of the document; bundle it \
                 into one file first"
            );
            self.warn(tree.offset(item), message);
        }
        Ok(chain)
    }

    /// What is said of a path nearest to it. That the nearest counts is told: OpenAPI does
    /// not say it.
    fn nearest(&mut self, chain: &[NodeId], name: &str, path: &str) -> Option<NodeId> {
        let tree = self.tree;
        let mut all = chain.iter().filter_map(|node| tree.under(*node, name));
        let nearest = all.next()?;
        if all.next().is_some() {
            let path = path.escape_debug();
            let message =
                format!("`{name}` of `{path}` is here and behind its `$ref`: what is here counts");
            self.warn(tree.offset(nearest), message);
        }
        Some(nearest)
    }

    /// The operations that a node holds: a path item, or what the `$ref` of nearer ones
    /// leads to.
    fn item(&mut self, node: NodeId, nearer: &[NodeId], item: &Item<'r>) -> Result<(), Flaw> {
        let tree = self.tree;
        let path = item.path;
        for &(key, operation) in tree.map(node).unwrap_or_default() {
            let name = tree.scalar(key).unwrap_or_default();
            let offset = tree.offset(key);
            if METHODS.contains(&name) {
                if nearer.iter().any(|near| tree.under(*near, name).is_some()) {
                    let path = path.escape_debug();
                    let message = format!("`{name}` of `{path}` is here and behind its `$ref`");
                    return Err((offset, message));
                }
                let name = name.to_ascii_uppercase();
                self.operation(&name, offset, operation, item)?;
            } else if name == "additionalOperations" {
                self.additional(operation, item)?;
            } else if name == MERGE {
                let path = path.escape_debug();
                let message = format!("`<<` of `{path}` is not imported: {NO_MERGE}");
                self.warn(offset, message);
            } else if !is_known(name) {
                let (name, path) = (name.escape_debug(), path.escape_debug());
                self.warn(
                    offset,
                    format!("`{name}` of `{path}` is no method, and not imported"),
                );
            }
        }
        Ok(())
    }

    /// OpenAPI 3.2 has other methods here, in the case in which they are sent.
    fn additional(&mut self, operations: NodeId, item: &Item<'r>) -> Result<(), Flaw> {
        let tree = self.tree;
        if tree.map(operations).is_none() {
            return match tree.is_null(operations) {
                true => Ok(()),
                false => Err(self.expected(operations, "`additionalOperations`", "a mapping")),
            };
        }
        self.once(operations);
        for &(key, operation) in tree.map(operations).unwrap_or_default() {
            let name = tree.scalar(key).unwrap_or_default();
            self.operation(name, tree.offset(key), operation, item)?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        method: &str,
        offset: usize,
        node: NodeId,
        item: &Item<'r>,
    ) -> Result<(), Flaw> {
        let tree = self.tree;
        let written = node;
        let Target::Node(node) = resolve(tree, node)? else {
            let message = "this operation lies outside of the document, and is not imported";
            self.warn(offset, message);
            return Ok(());
        };
        if written != node {
            self.beside_reference(written);
        }
        if tree.map(node).is_none() {
            return Err(self.expected(node, "an operation", "a mapping"));
        }
        self.once(node);
        if let Some(merge) = tree.under(node, MERGE) {
            let message = format!("`<<` plays no part, its tags neither: {NO_MERGE}");
            self.warn_once(tree.offset(merge), message);
        }
        let Ok(method) = Method::from_bytes(method.as_bytes()) else {
            let message = format!("`{}` is no method", method.escape_debug());
            return Err((offset, message));
        };
        let Some(server) = self.server(node, item)? else {
            return Ok(());
        };
        let path = format!("{}{}", server.base, item.path);
        if method.as_str() == "*" {
            let path = path.escape_debug();
            let message = format!("`* {path}` is not imported: in a rule, `*` is any method");
            self.warn(offset, message);
            return Ok(());
        }
        if matches!(method, Method::CONNECT | Method::TRACE) {
            let path = path.escape_debug();
            let message = format!("`{method} {path}` is not imported: {method} is never forwarded");
            self.warn(offset, message);
            return Ok(());
        }
        let greedy = self.greedy(node, item)?;
        let terms = Terms {
            sid: &self.options.sid_parameters,
            suffixes: &self.options.ignored_suffixes,
            greedy: &|name| greedy.contains(&name),
        };
        match convert(&server.base, item.path, &terms) {
            Ok(converted) => self.take(method, offset, node, item, converted),
            Err(Refused::Malformed(why)) => {
                let path = item.path.escape_debug();
                return Err((item.offset, format!("`{path}` is no path: {why}")));
            }
            Err(Refused::Inexpressible(why)) => {
                let at = self.place(offset);
                self.found.refused.push(Refusal {
                    method,
                    path,
                    why,
                    at,
                });
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        method: Method,
        offset: usize,
        node: NodeId,
        item: &Item<'_>,
        converted: Converted,
    ) {
        let tree = self.tree;
        for note in converted.notes {
            let message = format!("in `{}`, {note}", item.path.escape_debug());
            if self.told.insert(message.clone()) {
                self.warn(item.offset, message);
            }
        }
        self.found.bound.extend(converted.bound);
        self.found.operations += 1;
        let [id, summary] = ["operationId", "summary"].map(|key| self.text(node, key));
        let tag = self.tag(node);
        let title = || {
            let info = tree.under(tree.root(), "info")?;
            name_for_people(tree.scalar(tree.under(info, "title")?)?)
        };
        let literal = converted.literal.as_deref().and_then(name_for_people);
        let category = tag.or(literal).or_else(title);
        self.operations.push(Operation {
            method,
            template: converted.template,
            category: category.unwrap_or_else(|| "API".to_owned()),
            id,
            summary,
            at: self.place(offset),
        });
    }

    /// What stands beside the `$ref` of an operation plays no part, and is told.
    fn beside_reference(&mut self, operation: NodeId) {
        let tree = self.tree;
        for &(key, _) in tree.map(operation).unwrap_or_default() {
            let name = tree.scalar(key).unwrap_or_default();
            let plays_none = ["$ref", "summary", "description"].contains(&name);
            if !plays_none && !name.starts_with("x-") {
                let message = format!("beside a `$ref`, `{}` plays no part", name.escape_debug());
                self.warn_once(tree.offset(key), message);
            }
        }
    }

    /// A text for people; one of another kind is told.
    fn text(&mut self, operation: NodeId, key: &str) -> Option<String> {
        let tree = self.tree;
        let node = tree.under(operation, key)?;
        match tree.scalar(node) {
            Some(_) if tree.is_null(node) => None,
            Some(text) => name_for_people(text),
            None => {
                self.plays_none(node, &format!("`{key}`"), "a text");
                None
            }
        }
    }

    /// The first tag; what is there in place of one is told.
    fn tag(&mut self, operation: NodeId) -> Option<String> {
        let tree = self.tree;
        let tags = tree.under(operation, "tags")?;
        let Some(all) = tree.list(tags) else {
            if !tree.is_null(tags) {
                self.plays_none(tags, "`tags`", "a list");
            }
            return None;
        };
        let first = *all.first()?;
        match tree.scalar(first).filter(|_| !tree.is_null(first)) {
            Some(text) => name_for_people(text),
            None => {
                self.plays_none(first, "a tag", "a text");
                None
            }
        }
    }

    /// Warns of a value that is of another kind than it has to be.
    pub(super) fn plays_none(&mut self, node: NodeId, what: &str, kind: &str) {
        let (offset, message) = self.expected(node, what, kind);
        self.warn_once(offset, format!("{message}: it plays no part"));
    }
}

/// The keys of a path item that hold no operation.
fn is_known(name: &str) -> bool {
    let fields = ["$ref", "summary", "description", "servers", "parameters"];
    fields.contains(&name) || name.starts_with("x-")
}
