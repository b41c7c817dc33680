//! Reads one document: from its `paths` to operations.

mod around;

use std::collections::{BTreeMap, HashMap, HashSet};

use http::Method;

use super::operation::{Operation, Place, Refusal};
use super::path::{Converted, Refused, Terms, convert};
use super::reference::{Target, cycles, resolve};
use super::server::Server;
use super::slug::name_for_people;
use super::tree::{Flaw, NodeId, Tree, Value, as_yaml};
use super::{Document, Findings, Options};
use crate::fault::Fault;

/// The fixed fields of a path item that hold an operation.
const METHODS: [&str; 9] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace", "query",
];

/// The key of YAML 1.1 that brings the entries of another mapping.
const MERGE: &str = "<<";
const NO_MERGE: &str = "YAML 1.2 has no merge keys; write out what it stands for";

/// The operations of a document; what else there is to say goes to `found`.
pub(super) fn read(
    document: &Document<'_>,
    options: &Options,
    found: &mut Findings,
) -> Vec<Operation> {
    let text = as_yaml(document.text);
    let tree = match Tree::parse(&text) {
        Ok(tree) => tree,
        Err((offset, message)) => {
            let fault = Fault::at(document.file, document.text, offset, message);
            found.faults.push(fault);
            return Vec::new();
        }
    };
    let mut reader = Reader {
        document,
        tree: &tree,
        options,
        found,
        servers: HashMap::new(),
        told: HashSet::new(),
        elsewhere: BTreeMap::new(),
        operations: Vec::new(),
    };
    if let Err((offset, message)) = reader.document() {
        reader.fault(offset, message);
    }
    reader.operations
}

struct Reader<'r, 't> {
    document: &'r Document<'r>,
    tree: &'r Tree<'t>,
    options: &'r Options,
    found: &'r mut Findings,
    /// What a `servers` list comes to.
    servers: HashMap<NodeId, Vec<Server>>,
    /// What concerns many operations, and was told.
    told: HashSet<String>,
    /// Servers that `--server` leaves out: where they stand, and operations on them.
    elsewhere: BTreeMap<(usize, String), usize>,
    operations: Vec<Operation>,
}

/// A path and what holds for all of its operations.
struct Item<'r> {
    path: &'r str,
    offset: usize,
    parameters: Option<NodeId>,
    servers: Option<NodeId>,
}

impl<'r> Reader<'r, '_> {
    fn fault(&mut self, offset: usize, message: impl Into<String>) {
        let fault = self.place(offset).fault(message);
        self.found.faults.push(fault);
    }

    fn warn(&mut self, offset: usize, message: impl Into<String>) {
        let warning = self.place(offset).fault(message);
        self.found.warnings.push(warning);
    }

    fn place(&self, offset: usize) -> Place {
        let (line, column) = self.tree.place(offset);
        Place {
            file: self.document.file.to_owned(),
            line,
            column,
        }
    }

    fn document(&mut self) -> Result<(), Flaw> {
        let tree = self.tree;
        let root = tree.root();
        self.version(root)?;
        let cycles = cycles(tree);
        if !cycles.is_empty() {
            for (offset, message) in cycles {
                self.fault(offset, message);
            }
            return Ok(());
        }
        self.once(root);
        let webhooks = tree.under(root, "webhooks");
        if let Some(webhooks) = webhooks
            && tree.map(webhooks).is_some_and(|all| !all.is_empty())
        {
            let message = "webhooks are not imported: they are calls to others, not to this API";
            self.warn(tree.offset(webhooks), message);
        }
        let Some(paths) = tree.under(root, "paths") else {
            self.warn(
                tree.offset(root),
                "there are no `paths`, so nothing is imported",
            );
            return Ok(());
        };
        let Target::Node(paths) = resolve(tree, paths)? else {
            let message = "`paths` lies outside of the document; bundle it into one file first";
            return Err((tree.offset(paths), message.to_owned()));
        };
        let entries = match tree.value(paths) {
            Value::Map(entries) => entries.as_slice(),
            _ if tree.is_null(paths) => &[],
            _ => return Err(self.expected(paths, "`paths`", "a mapping")),
        };
        if entries.is_empty() {
            self.warn(
                tree.offset(paths),
                "`paths` is empty, so nothing is imported",
            );
        }
        self.once(paths);
        for &(key, value) in entries {
            if let Err((offset, message)) = self.path(key, value) {
                self.fault(offset, message);
            }
        }
        for ((offset, name), count) in std::mem::take(&mut self.elsewhere) {
            let operations = if count == 1 {
                "operation"
            } else {
                "operations"
            };
            let message = format!("{count} {operations} on {name} not imported (--server)");
            self.warn(offset, message);
        }
        Ok(())
    }

    /// Whether this is a document that is read here.
    fn version(&self, root: NodeId) -> Result<(), Flaw> {
        let tree = self.tree;
        if tree.map(root).is_none() {
            let message = format!("is no OpenAPI document, but {}", tree.kind(root));
            return Err((tree.offset(root), message));
        }
        let Some(node) = tree.under(root, "openapi") else {
            let swagger = tree.under(root, "swagger");
            let (at, message) = match swagger.map(|node| (node, tree.scalar(node))) {
                Some((node, Some(version))) => (
                    node,
                    format!(
                        "is Swagger {}, and OpenAPI 3.0 and 3.1 are read: convert it first",
                        version.escape_debug()
                    ),
                ),
                _ => (
                    root,
                    "is no OpenAPI document: it has no key `openapi`".to_owned(),
                ),
            };
            return Err((tree.offset(at), message));
        };
        let version = tree.scalar(node).unwrap_or_default();
        let mut parts = version.split('.');
        match (parts.next(), parts.next()) {
            (Some("3"), Some("0" | "1" | "2")) => Ok(()),
            _ => Err((
                tree.offset(node),
                format!(
                    "is OpenAPI `{}`, and 3.0 and 3.1 are read",
                    version.escape_debug()
                ),
            )),
        }
    }

    fn expected(&self, node: NodeId, what: &str, kind: &str) -> Flaw {
        let tree = self.tree;
        (
            tree.offset(node),
            format!("{what} is {kind}, and not {}", tree.kind(node)),
        )
    }

    /// Notes a fault for each key of a mapping that was there before.
    fn once(&mut self, node: NodeId) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let tree = self.tree;
        for (key, _) in tree.map(node).unwrap_or_default() {
            let Some(name) = tree.scalar(*key) else {
                continue;
            };
            let offset = tree.offset(*key);
            if let Some(first) = seen.insert(name, offset) {
                let line = tree.place(first).0;
                let name = name.escape_debug();
                self.fault(offset, format!("`{name}` is there already, in line {line}"));
            }
        }
    }

    fn path(&mut self, key: NodeId, value: NodeId) -> Result<(), Flaw> {
        let tree = self.tree;
        let path = tree
            .scalar(key)
            .ok_or_else(|| self.expected(key, "a path", "a text"))?;
        if path.starts_with("x-") {
            return Ok(());
        }
        if tree.map(value).is_none() {
            return Err(self.expected(value, "a path item", "a mapping"));
        }
        self.once(value);
        let behind = self.behind(value, path)?;
        let under = |name| {
            let own = tree.under(value, name);
            own.or_else(|| tree.under(behind?, name))
        };
        let item = Item {
            path,
            offset: tree.offset(key),
            parameters: under("parameters"),
            servers: under("servers"),
        };
        for node in [Some(value), behind].into_iter().flatten() {
            self.item(node, value, &item)?;
        }
        Ok(())
    }

    /// The operations that a node holds: a path item, or what its `$ref` leads to.
    fn item(&mut self, node: NodeId, own: NodeId, item: &Item<'r>) -> Result<(), Flaw> {
        let tree = self.tree;
        let path = item.path;
        for &(key, operation) in tree.map(node).unwrap_or_default() {
            let name = tree.scalar(key).unwrap_or_default();
            let offset = tree.offset(key);
            if METHODS.contains(&name) {
                if node != own && tree.under(own, name).is_some() {
                    let path = path.escape_debug();
                    let message = format!("`{name}` of `{path}` is here and behind its `$ref`");
                    return Err((offset, message));
                }
                let name = name.to_ascii_uppercase();
                self.operation(&name, offset, operation, item)?;
            } else if name == "additionalOperations" {
                // OpenAPI 3.2 has other methods here, in the case in which they are sent.
                for &(key, operation) in tree.map(operation).unwrap_or_default() {
                    let name = tree.scalar(key).unwrap_or_default();
                    self.operation(name, tree.offset(key), operation, item)?;
                }
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

    /// What the `$ref` of a path item leads to.
    fn behind(&mut self, item: NodeId, path: &str) -> Result<Option<NodeId>, Flaw> {
        let tree = self.tree;
        match resolve(tree, item)? {
            Target::Node(node) if node == item => Ok(None),
            Target::Node(node) if tree.map(node).is_some() => {
                self.once(node);
                Ok(Some(node))
            }
            Target::Node(node) => Err(self.expected(node, "a path item", "a mapping")),
            Target::Outside(text) => {
                let (text, path) = (text.escape_debug(), path.escape_debug());
                let message = format!(
                    "`{path}` is not imported: `{text}` lies outside of the document; bundle it \
                     into one file first"
                );
                self.warn(tree.offset(item), message);
                Ok(None)
            }
        }
    }

    fn operation(
        &mut self,
        method: &str,
        offset: usize,
        node: NodeId,
        item: &Item<'r>,
    ) -> Result<(), Flaw> {
        let tree = self.tree;
        let Target::Node(node) = resolve(tree, node)? else {
            let message = "this operation lies outside of the document, and is not imported";
            self.warn(offset, message);
            return Ok(());
        };
        if tree.map(node).is_none() {
            return Err(self.expected(node, "an operation", "a mapping"));
        }
        self.once(node);
        if let Some(merge) = tree.under(node, MERGE) {
            let message = format!("`<<` plays no part, its tags neither: {NO_MERGE}");
            self.warn(tree.offset(merge), message);
        }
        let Ok(method) = Method::from_bytes(method.as_bytes()) else {
            let message = format!("`{}` is no method", method.escape_debug());
            return Err((offset, message));
        };
        let Some(server) = self.server(node, item)? else {
            return Ok(());
        };
        let path = format!("{}{}", server.base, item.path);
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
        let text = |key| {
            let text = tree.scalar(tree.under(node, key)?)?;
            name_for_people(text)
        };
        let tag = tree
            .under(node, "tags")
            .and_then(|tags| tree.list(tags))
            .and_then(|tags| tree.scalar(*tags.first()?))
            .and_then(name_for_people);
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
            id: text("operationId"),
            summary: text("summary"),
            at: self.place(offset),
        });
    }
}

/// The keys of a path item that hold no operation.
fn is_known(name: &str) -> bool {
    let fields = ["$ref", "summary", "description", "servers", "parameters"];
    fields.contains(&name) || name.starts_with("x-")
}
