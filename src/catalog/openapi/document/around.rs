//! What of an operation stands around it: its server, and what its path parameters say.

use std::rc::Rc;

use super::super::reference::{Target, resolve};
use super::super::server::{self, Server};
use super::super::tree::{Flaw, NodeId};
use super::{Item, MERGE, NO_MERGE, Reader};

impl<'r> Reader<'r, '_> {
    /// The path parameters that may hold slashes, by the marks that documents use.
    pub(super) fn greedy(
        &mut self,
        operation: NodeId,
        item: &Item<'r>,
    ) -> Result<Vec<&'r str>, Flaw> {
        let tree = self.tree;
        let mut names = Vec::new();
        let lists = [tree.under(operation, "parameters"), item.parameters];
        for node in lists.into_iter().flatten() {
            match resolve(tree, node)? {
                Target::Node(list) => names.extend_from_slice(&self.greedy_of(list)?),
                Target::Outside(text) => self.parameters_outside(node, text),
            }
        }
        Ok(names)
    }

    /// Those of one list. It may be that of many operations, and is read once.
    fn greedy_of(&mut self, list: NodeId) -> Result<Rc<[&'r str]>, Flaw> {
        if let Some(names) = self.greedy.get(&list) {
            return Ok(Rc::clone(names));
        }
        let tree = self.tree;
        let mut names = Vec::new();
        if tree.list(list).is_none() && !tree.is_null(list) {
            self.plays_none(list, "`parameters`", "a list");
        }
        for &parameter in tree.list(list).unwrap_or_default() {
            let parameter = match resolve(tree, parameter)? {
                Target::Node(parameter) => parameter,
                Target::Outside(text) => {
                    self.parameters_outside(parameter, text);
                    continue;
                }
            };
            if tree.map(parameter).is_none() {
                self.plays_none(parameter, "a parameter", "a mapping");
            }
            self.once(parameter);
            if let Some(merge) = tree.under(parameter, MERGE) {
                let message = format!("`<<` plays no part: {NO_MERGE}");
                self.warn_once(tree.offset(merge), message);
            }
            let text = |key| {
                tree.under(parameter, key)
                    .and_then(|node| tree.scalar(node))
            };
            if text("in") != Some("path") {
                continue;
            }
            let marks = ["x-multi-segment", "allowReserved"];
            let marked = marks.iter().any(|mark| text(mark) == Some("true"));
            if let Some(name) = text("name").filter(|_| marked) {
                names.push(name);
            }
        }
        let names: Rc<[&'r str]> = names.into();
        self.greedy.insert(list, Rc::clone(&names));
        Ok(names)
    }

    fn parameters_outside(&mut self, at: NodeId, reference: &str) {
        let message = format!(
            "`{}` lies outside of the document: whether a parameter may hold slashes is not \
             known",
            reference.escape_debug()
        );
        if self.told.insert(message.clone()) {
            self.warn(self.tree.offset(at), message);
        }
    }

    /// The server of an operation: the nearest list of them counts, and its first entry or
    /// the one that was asked for. `None` where none was.
    pub(super) fn server(
        &mut self,
        operation: NodeId,
        item: &Item<'r>,
    ) -> Result<Option<Server>, Flaw> {
        let tree = self.tree;
        let lists = [
            tree.under(operation, "servers"),
            item.servers,
            tree.under(tree.root(), "servers"),
        ];
        let mut list = None;
        for node in lists.into_iter().flatten() {
            match tree.list(node) {
                Some([]) => {}
                Some(_) => {
                    list = Some(node);
                    break;
                }
                None if tree.is_null(node) => {}
                // Where the operation is served is not known then.
                None => return Err(self.expected(node, "`servers`", "a list")),
            }
        }
        let servers = match list {
            Some(list) => self.read_servers(list)?,
            None => vec![Server::default_of_document()],
        };
        let at = list.unwrap_or_else(|| tree.root());
        let Some(first) = servers.first().cloned() else {
            return Ok(None);
        };
        if self.options.servers.is_empty() {
            let other = servers.iter().find(|server| server.base != first.base);
            if let Some(other) = other {
                let message = format!(
                    "the servers have several base paths; that of `{}` is taken, and not that of \
                     `{}` (--server picks)",
                    first.url.escape_debug(),
                    other.url.escape_debug()
                );
                if self.told.insert(message.clone()) {
                    self.warn(tree.offset(at), message);
                }
            }
            return Ok(Some(first));
        }
        for server in &servers {
            let by = self.options.servers.iter().find(|by| server.is_picked(by));
            if let Some(by) = by {
                self.found.picked.insert(by.clone());
                return Ok(Some(server.clone()));
            }
        }
        let key = (tree.offset(at), first.name().escape_debug().to_string());
        *self.elsewhere.entry(key).or_default() += 1;
        Ok(None)
    }

    fn read_servers(&mut self, list: NodeId) -> Result<Vec<Server>, Flaw> {
        if let Some(servers) = self.servers.get(&list) {
            return Ok(servers.clone());
        }
        let tree = self.tree;
        let mut servers = Vec::new();
        let mut odd = Vec::new();
        for &entry in tree.list(list).unwrap_or_default() {
            self.server_once(entry)?;
            servers.push(server::read(tree, entry, &mut |at, message| {
                odd.push((at, message))
            })?);
        }
        for (offset, message) in odd {
            if self.told.insert(message.clone()) {
                self.warn(offset, message);
            }
        }
        self.servers.insert(list, servers.clone());
        Ok(servers)
    }

    /// Notes a fault for each key of a server and of its variables that was there before.
    fn server_once(&mut self, entry: NodeId) -> Result<(), Flaw> {
        let tree = self.tree;
        let Target::Node(entry) = resolve(tree, entry)? else {
            return Ok(());
        };
        self.once(entry);
        if let Some(variables) = tree.under(entry, "variables") {
            self.once(variables);
            for &(_, variable) in tree.map(variables).unwrap_or_default() {
                self.once(variable);
            }
        }
        Ok(())
    }
}
