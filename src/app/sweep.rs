//! What is done once a second, on the caller's thread, where no request waits for it: takes
//! the counters away whose windows have ended, and has free memory given back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::proxy::Gate;

/// Between two steps.
const STEP: Duration = Duration::from_secs(1);

/// In so many steps every counter is looked at: a million of them take half a minute, in
/// pieces of less than a millisecond.
const STEPS: usize = 32;

/// More than the allocator lets values share a page for: it comes and goes as one of its own.
const ALONE: usize = 4 << 20;

/// Goes on until it is dropped.
pub(super) async fn run(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(STEP).await;
        gate.rates().sweep(STEPS, Instant::now());
        let requests = gate.rates().take_turned_away();
        if requests > 0 {
            tracing::warn!(
                requests,
                "turned away: limits.rate_limit_counters are all in use"
            );
        }
        give_memory_back();
    }
}

/// The allocator gives free pages back to the system after a second, but looks for such when
/// another page is freed. A gate that has become quiet frees none, and would keep what its
/// connections have given up: so one is, of which nothing was touched.
fn give_memory_back() {
    let mut page: Vec<u8> = Vec::new();
    // Without one there is a next time.
    let _ = page.try_reserve_exact(ALONE);
    drop(black_box(page));
}
