//! What both hops share: transports, deadlines, TLS, and who is at the other end.

pub mod connect;
pub mod deadline;
pub mod peer;
pub mod stream;
pub mod tls;
pub mod transport;

pub use deadline::{DeadlineIo, Pace, Paces};
pub use peer::{Peer, PeerKey};
pub use stream::StreamPace;
pub use transport::Transport;
