//! Deadlines on paused time.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

fn paces() -> Paces {
    Paces {
        first_byte: Some(Duration::from_secs(10)),
        head: Some(Duration::from_secs(5)),
        idle: Some(Duration::from_secs(60)),
        send_idle: Some(Duration::from_secs(30)),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime starts")
}

#[test]
fn a_silent_connection_ends_at_the_first_byte_deadline() {
    runtime().block_on(async {
        let (_far, near) = duplex(64);
        let pace = Arc::new(Pace::new(paces(), false));
        let start = Instant::now();
        let mut io = DeadlineIo::new(near, Arc::clone(&pace));
        assert!(io.read_u8().await.is_err());
        assert_eq!(start.elapsed().as_secs(), 10);
        assert_eq!(pace.expired(), Some(Expired::FirstByte));
    });
}

#[test]
fn dripping_bytes_do_not_push_the_head_deadline_back() {
    runtime().block_on(async {
        let (mut far, near) = duplex(64);
        let pace = Arc::new(Pace::new(paces(), false));
        let mut io = DeadlineIo::new(near, Arc::clone(&pace));
        let drip = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                far.write_all(b"x").await.ok();
            }
        };
        let read = async { while io.read_u8().await.is_ok() {} };
        let start = Instant::now();
        tokio::select! { () = read => {}, () = drip => panic!("never ended") }
        assert_eq!(
            start.elapsed().as_secs(),
            7,
            "2 s to the first byte, 5 s of head"
        );
        assert_eq!(pace.expired(), Some(Expired::Head));
    });
}

#[test]
fn an_exchange_has_no_read_deadline_and_idling_has_one() {
    runtime().block_on(async {
        let (_far, near) = duplex(64);
        let pace = Arc::new(Pace::new(paces(), false));
        pace.begin_exchange();
        let mut io = DeadlineIo::new(near, Arc::clone(&pace));
        let long = Duration::from_secs(3600);
        assert!(tokio::time::timeout(long, io.read_u8()).await.is_err());
        pace.end_exchange();
        let start = Instant::now();
        assert!(io.read_u8().await.is_err());
        assert_eq!(start.elapsed().as_secs(), 60);
        assert_eq!(pace.expired(), Some(Expired::Idle));
    });
}

#[test]
fn a_read_that_began_in_an_exchange_ends_when_the_connection_idles() {
    runtime().block_on(async {
        let (_far, near) = duplex(64);
        let pace = Arc::new(Pace::new(paces(), false));
        pace.begin_exchange();
        let mut io = DeadlineIo::new(near, Arc::clone(&pace));
        let exchange = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            pace.end_exchange();
            std::future::pending().await
        };
        let start = Instant::now();
        // Nothing but the read's own timer wakes this read.
        let ended = tokio::select! { ended = io.read_u8() => ended, () = exchange => Ok(0) };
        assert!(ended.is_err());
        assert_eq!(start.elapsed().as_secs(), 160);
        assert_eq!(pace.expired(), Some(Expired::Idle));
    });
}

#[test]
fn a_reader_that_takes_nothing_ends_the_write() {
    runtime().block_on(async {
        let (_far, near) = duplex(8);
        let pace = Arc::new(Pace::new(paces(), false));
        let mut io = DeadlineIo::new(near, Arc::clone(&pace));
        let start = Instant::now();
        assert!(io.write_all(&[0; 64]).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 30);
        assert_eq!(pace.expired(), Some(Expired::SendIdle));
    });
}
