//! The gate's job on the pingora crate, as one would write it after its user guide: the
//! credentials in `request_filter`, the headers in `upstream_request_filter`.
//!
//! pingora-gate FILE, with a `key = value` on each line: listen, upstream, users, rules,
//! threads, and optionally certificate, private_key, log.

mod gate;

use std::collections::HashMap;
use std::error::Error;
use std::fs;

use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;

use gate::Gate;

/// As in sidgate: the system's allocator would not be a fair one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let text = fs::read_to_string(path)?;
    let given: HashMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let value = |name: &str| given.get(name).copied().ok_or(format!("{name} is missing"));

    let threads: usize = value("threads")?.parse()?;
    let conf = ServerConf {
        threads,
        // "Configuration": without work stealing where one thread is all there is, and with a
        // pool that holds a connection for each client.
        work_stealing: threads > 1,
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let gate = Gate::load(
        value("upstream")?.parse()?,
        &fs::read_to_string(value("users")?)?,
        &fs::read_to_string(value("rules")?)?,
        given.get("log").copied(),
    )?;
    let mut service = pingora_proxy::http_proxy_service(&server.configuration, gate);
    match (given.get("certificate"), given.get("private_key")) {
        (Some(certificate), Some(key)) => {
            let mut tls = TlsSettings::intermediate(certificate, key)?;
            tls.enable_h2();
            service.add_tls_with_settings(value("listen")?, None, tls);
        }
        _ => service.add_tcp(value("listen")?),
    }
    server.add_service(service);
    server.run_forever();
}
