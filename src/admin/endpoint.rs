//! The list of what is served: method and path, the role it needs, the call.

use http::Method;

use crate::config::Role;

/// One call of the API, with the SID that its path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint<'p> {
    Health,
    Ready,
    Metrics,
    Status,
    Catalog,
    Explain,
    List,
    Show(&'p str),
}

/// Methods that some path serves.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PATCH,
    Method::DELETE,
];

impl<'p> Endpoint<'p> {
    /// What a method and path call, and the least role that may: `None` for anyone. The path
    /// is canonical and begins with a slash.
    ///
    /// HEAD is served where GET is (RFC 9110 9.1); hyper sends no body for it.
    pub(super) fn find(method: &Method, path: &'p str) -> Option<(Option<Role>, Self)> {
        use Role::Viewer;
        let method = match method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        Some(match (method, segments.as_slice()) {
            ("GET", ["healthz"]) => (None, Self::Health),
            ("GET", ["readyz"]) => (None, Self::Ready),
            ("GET", ["metrics"]) => (Some(Viewer), Self::Metrics),
            ("GET", ["v1", "status"]) => (Some(Viewer), Self::Status),
            ("GET", ["v1", "catalog"]) => (Some(Viewer), Self::Catalog),
            ("POST", ["v1", "explain"]) => (Some(Viewer), Self::Explain),
            ("GET", ["v1", "tokens"]) => (Some(Viewer), Self::List),
            ("GET", ["v1", "tokens", sid]) => (Some(Viewer), Self::Show(sid)),
            _ => return None,
        })
    }

    /// The methods that a path serves, as `Allow` lists them; empty for an unknown path.
    pub(super) fn allowed(path: &str) -> String {
        let served = METHODS
            .iter()
            .filter(|method| Endpoint::find(method, path).is_some());
        served.map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}
