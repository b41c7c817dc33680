//! What holds where the file says nothing. The reasons stand in `config/sidgate.toml`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::{
    AccessLog, Guessing, Limits, Log, LogFormat, LogTarget, RateLimitHeaders, Secrets, Timeouts,
    UpstreamTimeouts, Verification,
};

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_peer: 256,
            requests_in_flight: 10_000,
            requests_in_flight_per_token: None,
            rate_limit_headers: RateLimitHeaders::default(),
            rate_limit_counters: 4_000_000,
            target: 8 << 10,
            head: 32 << 10,
            headers: 100,
            body: None,
            h2_streams: 100,
            h2_control_frames: 1_000,
            h2_resets: 20,
            h2_header_list: 16 << 10,
            h2_stream_window: 64 << 10,
            h2_connection_window: 1 << 20,
        }
    }
}

impl Default for Guessing {
    fn default() -> Self {
        let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        Self {
            failures: 300,
            window: Duration::from_secs(60),
            exempt: vec![
                loopback.into(),
                IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST)),
            ],
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            tls_handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body_idle: Some(Duration::from_secs(30)),
            send_idle: Some(Duration::from_secs(30)),
            keep_alive: Duration::from_secs(60),
            h2_ping: Duration::from_secs(20),
            total: None,
            tunnel_idle: Some(Duration::from_secs(3_600)),
            grace: Duration::from_secs(30),
        }
    }
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Some(Duration::from_secs(30)),
            head: Some(Duration::from_secs(10)),
            body_idle: Some(Duration::from_secs(300)),
            send_idle: Some(Duration::from_secs(30)),
            keep_alive: Duration::from_secs(50),
            total: None,
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            hmac_key_file: None,
            sealing_key_file: None,
            sid_prefix: "IR".to_owned(),
        }
    }
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::new(cores().get() / 2).unwrap_or(NonZeroUsize::MIN),
            queue: 256,
            cache: 10_000,
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            target: Some(LogTarget::Stdout),
            buffer: 8 << 20,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Auto,
        }
    }
}

/// The cores that this process may use; 1 where the system does not tell.
pub(super) fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
