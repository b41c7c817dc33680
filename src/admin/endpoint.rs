//! The list of what is served: method and path, the role it needs, the call.

use http::Method;

use crate::config::Role;

/// What a method and path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint<'p> {
    /// Anyone may ask whether the process lives.
    Health,
    /// Anyone may ask whether it serves requests.
    Ready,
    /// An operator of at least this role may call.
    Call(Role, Call<'p>),
}

/// One call of the API, with the SID that its path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'p> {
    Metrics,
    OpenApi,
    Status,
    Catalog,
    Explain,
    List,
    Create,
    Show(&'p str),
    Edit(&'p str),
    Delete(&'p str),
    Duplicate(&'p str),
    Reset(&'p str),
    Upgrade(&'p str),
    Enable(&'p str),
    Disable(&'p str),
    Reveal(&'p str),
    Audit,
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
    /// What a method and a canonical path call.
    ///
    /// HEAD is served where GET is (RFC 9110 9.1); hyper sends no body for it.
    pub(super) fn find(method: &Method, path: &'p str) -> Option<Self> {
        use Role::{Administrator, ImplementationSpecialist as Specialist, Viewer};
        let method = match method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (role, call) = match (method, segments.as_slice()) {
            ("GET", ["healthz"]) => return Some(Self::Health),
            ("GET", ["readyz"]) => return Some(Self::Ready),
            ("GET", ["metrics"]) => (Viewer, Call::Metrics),
            ("GET", ["openapi.json"]) => (Viewer, Call::OpenApi),
            ("GET", ["v1", "status"]) => (Viewer, Call::Status),
            ("GET", ["v1", "catalog"]) => (Viewer, Call::Catalog),
            ("POST", ["v1", "explain"]) => (Viewer, Call::Explain),
            ("GET", ["v1", "tokens"]) => (Viewer, Call::List),
            ("POST", ["v1", "tokens"]) => (Specialist, Call::Create),
            ("GET", ["v1", "tokens", sid]) => (Viewer, Call::Show(sid)),
            ("PATCH", ["v1", "tokens", sid]) => (Specialist, Call::Edit(sid)),
            ("DELETE", ["v1", "tokens", sid]) => (Specialist, Call::Delete(sid)),
            ("POST", ["v1", "tokens", sid, "duplicate"]) => (Specialist, Call::Duplicate(sid)),
            ("POST", ["v1", "tokens", sid, "reset"]) => (Specialist, Call::Reset(sid)),
            ("POST", ["v1", "tokens", sid, "upgrade"]) => (Specialist, Call::Upgrade(sid)),
            ("POST", ["v1", "tokens", sid, "enable"]) => (Specialist, Call::Enable(sid)),
            ("POST", ["v1", "tokens", sid, "disable"]) => (Specialist, Call::Disable(sid)),
            ("POST", ["v1", "tokens", sid, "reveal"]) => (Administrator, Call::Reveal(sid)),
            ("GET", ["v1", "audit"]) => (Administrator, Call::Audit),
            _ => return None,
        };
        Some(Self::Call(role, call))
    }

    /// The methods that a path serves, as `Allow` lists them; empty for an unknown path.
    pub(super) fn allowed(path: &str) -> String {
        let served = METHODS
            .iter()
            .filter(|method| Endpoint::find(method, path).is_some());
        served.map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Call<'_> {
    /// What the audit calls it, and whose token it is about, where its refusals are recorded.
    pub(super) fn recorded(&self) -> Option<(&'static str, Option<&str>)> {
        Some(match *self {
            Self::Create => ("create", None),
            Self::Edit(sid) => ("edit", Some(sid)),
            Self::Delete(sid) => ("delete", Some(sid)),
            Self::Duplicate(sid) => ("duplicate", Some(sid)),
            Self::Reset(sid) => ("reset", Some(sid)),
            Self::Upgrade(sid) => ("upgrade", Some(sid)),
            Self::Enable(sid) => ("enable", Some(sid)),
            Self::Disable(sid) => ("disable", Some(sid)),
            Self::Reveal(sid) => ("reveal", Some(sid)),
            Self::Audit => ("audit", None),
            Self::Metrics
            | Self::OpenApi
            | Self::Status
            | Self::Catalog
            | Self::Explain
            | Self::List
            | Self::Show(_) => return None,
        })
    }
}
