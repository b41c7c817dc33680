//! Long work beside requests. The scheduler lets a thread that has much to do go on for some
//! milliseconds, and a request that comes to the same core meanwhile would wait for that.

use std::thread::yield_now;

/// Between two pauses.
const STEPS: usize = 64;

/// Lets others go first, where there are any.
pub(super) fn pause() {
    yield_now();
}

/// The same items, and now and then a [`pause`] before the next one.
pub(super) fn politely<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let numbered = items.into_iter().enumerate();
    numbered.map(|(number, item)| {
        if number % STEPS == 0 {
            pause();
        }
        item
    })
}
