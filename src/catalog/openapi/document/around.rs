//! What of an operation stands around it: its server, and what its path parameters say.

use super::super::reference::{Target, resolve};
use super::super::server::{self, Server};
use super::super::tree::{Flaw, NodeId};
use super::{Item, Reader};

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
            let Target::Node(list) = resolve(tree, node)? else {
                continue;
            };
            for &parameter in tree.list(list).unwrap_or_default() {
                let Target::Node(parameter) = resolve(tree, parameter)? else {
                    continue;
                };
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
        }
        Ok(names)
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
        let filled = |node: &NodeId| tree.list(*node).is_some_and(|all| !all.is_empty());
        let list = lists.into_iter().flatten().find(filled);
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
}
