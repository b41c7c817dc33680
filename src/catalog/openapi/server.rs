//! Where an operation is served: the base path that stands before its path, and the host
//! by which `--server` picks.

use super::reference::{Target, resolve};
use super::tree::{Flaw, NodeId, Tree};

/// A server of a document, its variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Its URL, with no slash at the end.
    pub(super) url: String,
    /// `host` or `host:port` in lower case; none in a URL that is relative to the document.
    pub(super) host: Option<String>,
    /// What stands before every path: empty, or `/` and more without a slash at the end.
    pub(super) base: String,
}

impl Server {
    /// The server of a document that names none.
    pub(super) fn default_of_document() -> Self {
        Self {
            url: "/".to_owned(),
            host: None,
            base: String::new(),
        }
    }

    /// Whether `--server` with this value picks it: by its host, with the port or without,
    /// or by its whole URL.
    pub(super) fn is_picked(&self, by: &str) -> bool {
        let by = by.trim_end_matches('/');
        let host = self.host.as_deref().is_some_and(|host| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            by.eq_ignore_ascii_case(host) || by.eq_ignore_ascii_case(name)
        });
        host || by == self.url || (by.is_empty() && self.url == "/")
    }

    /// The host, or the URL where that names none.
    pub(super) fn name(&self) -> &str {
        self.host.as_deref().unwrap_or(&self.url)
    }
}

/// Reads one entry of `servers`; what is odd about it goes to `odd`.
pub(super) fn read(
    tree: &Tree<'_>,
    entry: NodeId,
    odd: &mut impl FnMut(usize, String),
) -> Result<Server, Flaw> {
    let Target::Node(entry) = resolve(tree, entry)? else {
        let message = "this server lies outside of the document";
        return Err((tree.offset(entry), message.to_owned()));
    };
    let node = tree.under(entry, "url");
    let url = node.and_then(|node| tree.scalar(node)).ok_or_else(|| {
        let message = "a server needs a `url`";
        (tree.offset(entry), message.to_owned())
    })?;
    let offset = node.map_or(0, |node| tree.offset(node));
    let filled = fill(tree, entry, url, offset, odd);
    let parsed = parse(&filled);
    if let Some(why) = parsed.1 {
        odd(
            offset,
            format!("in the server's URL `{}`, {why}", url.escape_debug()),
        );
    }
    Ok(parsed.0)
}

/// Puts the variables' defaults in their places.
fn fill(
    tree: &Tree<'_>,
    entry: NodeId,
    url: &str,
    offset: usize,
    odd: &mut impl FnMut(usize, String),
) -> String {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        rest = tail;
        let variable = tree
            .under(entry, "variables")
            .and_then(|all| tree.under(all, name));
        let Some(value) = variable.and_then(|variable| default(tree, variable)) else {
            // A hole in the path stays one segment that may be anything.
            filled.push_str(&format!("{{{name}}}"));
            let name = name.escape_debug();
            odd(
                offset,
                format!("the server's variable `{name}` has no default"),
            );
            continue;
        };
        // Other values make another base path only where the variable is part of the path.
        let in_path = filled.split_once("://").map_or(&*filled, |(_, rest)| rest);
        let others = variable
            .and_then(|variable| tree.under(variable, "enum"))
            .and_then(|all| tree.list(all))
            .map_or(0, <[NodeId]>::len);
        if in_path.contains('/') && others > 1 {
            let (name, value) = (name.escape_debug(), value.escape_debug());
            odd(
                offset,
                format!(
                    "the server's variable `{name}` has {others} values; its default `{value}` is taken"
                ),
            );
        }
        filled.push_str(&value);
    }
    filled.push_str(rest);
    filled
}

/// A variable's default or, where it has none, the first value that it may have.
fn default(tree: &Tree<'_>, variable: NodeId) -> Option<String> {
    let first = || {
        let all = tree.under(variable, "enum")?;
        tree.list(all)?.first().copied()
    };
    let value = tree.under(variable, "default").or_else(first)?;
    tree.scalar(value).map(str::to_owned)
}

/// Cuts a URL up; the second part is what was odd about it.
fn parse(url: &str) -> (Server, Option<&'static str>) {
    let mut odd = None;
    let whole = url.trim();
    let cut = whole.find(['?', '#']).unwrap_or(whole.len());
    if cut < whole.len() {
        odd = Some("the query or fragment plays no part");
    }
    let url = whole.get(..cut).unwrap_or_default();
    let after_scheme = url
        .split_once("://")
        .map(|(_, rest)| rest)
        .or_else(|| url.strip_prefix("//"));
    let (host, path) = match after_scheme {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit('@').next().unwrap_or_default();
            (Some(host.to_ascii_lowercase()), path)
        }
        None => (None, url),
    };
    let path = path.trim_end_matches('/');
    let base = match path {
        "" => String::new(),
        path if path.starts_with('/') => path.to_owned(),
        path => {
            odd = Some("which is relative, the base path is taken from the root");
            match path.trim_start_matches("./") {
                "" | "." => String::new(),
                path => format!("/{path}"),
            }
        }
    };
    let url = match url.trim_end_matches('/') {
        "" => "/",
        url => url,
    };
    let server = Server {
        url: url.to_owned(),
        host,
        base,
    };
    (server, odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Server, Vec<String>) {
        let tree = Tree::parse(text).expect(text);
        let mut told = Vec::new();
        let server = read(&tree, tree.root(), &mut |_, message| told.push(message));
        (server.expect(text), told)
    }

    #[test]
    fn a_url_has_a_host_and_a_base_path() {
        for (url, host, base) in [
            ("https://api.example.com", Some("api.example.com"), ""),
            (
                "https://API.example.com:8443/v1/",
                Some("api.example.com:8443"),
                "/v1",
            ),
            ("//example.com/a/b", Some("example.com"), "/a/b"),
            ("/api/v3", None, "/api/v3"),
            ("/", None, ""),
            ("''", None, ""),
            ("https://user@example.com/x", Some("example.com"), "/x"),
        ] {
            let (server, told) = of(&format!("url: {url}"));
            assert_eq!(
                (server.host.as_deref(), &*server.base),
                (host, base),
                "{url}"
            );
            assert!(told.is_empty(), "{url}: {told:?}");
        }
    }

    #[test]
    fn what_is_odd_is_told() {
        for (text, base, part) in [
            ("url: api/v1", "/api/v1", "relative"),
            ("url: ./v1", "/v1", "relative"),
            ("url: ./", "", "relative"),
            ("url: https://x.example/a?b=c", "/a", "query or fragment"),
            ("url: 'https://x.example/{v}'", "/{v}", "`v` has no default"),
            (
                "url: 'https://x.example/{v}'\nvariables: {v: {default: v2, enum: [v1, v2]}}",
                "/v2",
                "2 values; its default `v2`",
            ),
        ] {
            let (server, told) = of(text);
            assert_eq!(server.base, base, "{text}");
            assert!(told.iter().any(|t| t.contains(part)), "{text}: {told:?}");
        }
    }

    #[test]
    fn variables_are_filled_in() {
        let text = "url: '{scheme}://{region}.example.com:{port}/{base}'\n\
                    variables:\n  scheme: {enum: [https, http]}\n  region: {default: eu, enum: [eu, us]}\n\
                    \x20 port: {default: 443}\n  base: {default: v1}\n";
        let (server, told) = of(text);
        assert_eq!(server.url, "https://eu.example.com:443/v1");
        assert_eq!(server.base, "/v1");
        assert!(told.is_empty(), "{told:?}");
    }

    #[test]
    fn a_server_is_picked_by_host_or_url() {
        let (server, _) = of("url: https://api.example.com:8443/v1/");
        for by in [
            "api.example.com",
            "API.EXAMPLE.COM:8443",
            "https://api.example.com:8443/v1",
            "https://api.example.com:8443/v1/",
        ] {
            assert!(server.is_picked(by), "{by}");
        }
        for by in [
            "example.com",
            "api.example.com:443",
            "https://api.example.com:8443",
            "",
        ] {
            assert!(!server.is_picked(by), "{by}");
        }
        assert!(Server::default_of_document().is_picked("/"));
    }
}
