//! Reads one document: from its `paths` to operations.

mod around;
mod item;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::operation::{Operation, Place};
use super::reference::{Target, cycles, resolve};
use super::server::Server;
use super::tree::{Flaw, NodeId, Tree, Value, as_yaml};
use super::{Document, Findings, Options};
use crate::fault::Fault;

/// The fixed fields of a document (OpenAPI 3.2.0 section 4.1.1).
const FIELDS: [&str; 11] = [
    "openapi",
    "$self",
    "info",
    "jsonSchemaDialect",
    "servers",
    "paths",
    "webhooks",
    "components",
    "security",
    "tags",
    "externalDocs",
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
        greedy: HashMap::new(),
        checked: HashSet::new(),
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
    /// The parameters of a list that may hold slashes.
    greedy: HashMap<NodeId, Rc<[&'r str]>>,
    /// Mappings whose keys were looked at: one may stand in many places.
    checked: HashSet<NodeId>,
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

    /// Warns, but of each place once: what is shared is read for each operation.
    fn warn_once(&mut self, offset: usize, message: String) {
        if self.told.insert(format!("{offset} {message}")) {
            self.warn(offset, message);
        }
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
        self.root(root);
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

    /// What of the document itself plays no part.
    fn root(&mut self, root: NodeId) {
        let tree = self.tree;
        self.once(root);
        for &(key, value) in tree.map(root).unwrap_or_default() {
            let name = tree.scalar(key).unwrap_or_default();
            let nothing = match tree.value(value) {
                Value::Scalar(_) => tree.is_null(value),
                Value::List(items) => items.is_empty(),
                Value::Map(entries) => entries.is_empty(),
            };
            let message = match name {
                "webhooks" if !nothing => {
                    "webhooks are not imported: they are calls to others, not to this API"
                        .to_owned()
                }
                MERGE => format!("`<<` plays no part: {NO_MERGE}"),
                name if FIELDS.contains(&name) || name.starts_with("x-") => continue,
                name => {
                    let name = name.escape_debug();
                    format!("`{name}` is no key of an OpenAPI 3 document, and plays no part")
                }
            };
            let at = if name == "webhooks" { value } else { key };
            self.warn(tree.offset(at), message);
        }
        // What references lead through.
        if let Some(components) = tree.under(root, "components") {
            self.once(components);
            for section in ["parameters", "pathItems"] {
                if let Some(section) = tree.under(components, section) {
                    self.once(section);
                }
            }
        }
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

    /// Notes a fault for each key of a mapping that was there before, once for each mapping.
    fn once(&mut self, node: NodeId) {
        if !self.checked.insert(node) {
            return;
        }
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
}
