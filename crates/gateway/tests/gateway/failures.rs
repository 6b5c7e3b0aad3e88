//! Full disks, full queues and databases that cannot be used.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use trunkline_gateway::{DataDir, GatewayError, SqliteStore};
use trunkline_session::{Observer, What};

use crate::{
    sample::{answered, call, conversation, ended, record},
    world::World,
};

/// Waits, in steps that cost little, for what another task does in a moment.
async fn until(mut happened: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn a_full_disk_raises_an_alarm_and_nothing_is_lost_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let full = dir.path().join("journal/00000000000000000001.jsonl");
    let world = World::start(dir.path()).await;
    symlink("/dev/full", &full).unwrap();
    let meters = world.metrics.journal();
    world.note_all(conversation(call(1)));
    until(|| meters.journal_failing.get() == 1).await;
    assert_eq!(world.store.applied_position().await.unwrap(), 0);
    // The audio path is not held up meanwhile.
    world.note_all(conversation(call(2)));

    fs::remove_file(&full).unwrap();
    world.journal.settle().await.unwrap();
    assert_eq!(meters.journal_failing.get(), 0);
    assert!(meters.journal_errors.get() >= 1);
    assert_eq!(meters.dropped.get(), 0);
    for number in [1, 2] {
        let found = world.store.call(call(number)).await.unwrap().unwrap();
        assert_eq!((found.turns.len(), found.decisions.len()), (2, 4));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_failing_store_raises_an_alarm_and_catches_up() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let meters = world.metrics.journal();
    world.store_works(false);
    world.note_all(conversation(call(1)));
    world.journal.flush().await.unwrap();
    until(|| meters.store_failing.get() == 1).await;
    assert_eq!(meters.unrecorded.get(), 11);
    world.store_works(true);
    world.journal.settle().await.unwrap();
    assert_eq!((meters.store_failing.get(), meters.unrecorded.get()), (0, 0));
    assert!(world.store.call(call(1)).await.unwrap().is_some());
    world.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_with_a_failing_store_leaves_the_rest_to_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.store_works(false);
    world.note_all(conversation(call(1)));
    world.stop().await;
    let world = World::start(dir.path()).await;
    assert_eq!((world.recovered().replayed, world.recovered().crashed_calls), (11, 0));
    world.stop().await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_but_keeps_beginnings_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    // The writer has no chance to run before the first await.
    for number in 0..10_000 {
        world.journal.note(record(call(1), number, What::Pressed));
    }
    let dropped = world.metrics.journal().dropped.get();
    assert_eq!(dropped, 10_000 - (8192 - 1024));
    world.note_all([
        record(call(2), 0, answered("", "sip:bob@example.com")),
        record(call(2), 100, ended()),
    ]);
    world.journal.settle().await.unwrap();
    assert_eq!(world.metrics.journal().dropped.get(), dropped);
    assert_eq!(world.metrics.journal().queued.get(), 0);
    assert!(world.store.call(call(2)).await.unwrap().unwrap().call.ended.is_some());
    world.stop().await;
}

#[tokio::test]
async fn notes_after_the_end_are_counted_as_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let (journal, meters) = (world.journal.clone(), world.metrics.journal());
    world.stop().await;
    journal.note(record(call(1), 0, What::Pressed));
    assert_eq!(meters.dropped.get(), 1);
    assert!(matches!(journal.flush().await, Err(GatewayError::JournalStopped)));
}

async fn open(path: &Path) -> GatewayError {
    let dir = DataDir::open(path).unwrap();
    SqliteStore::open(&dir).await.err().unwrap()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("calls.sqlite"), "surely not a database ".repeat(100)).unwrap();
    let error = open(dir.path()).await;
    assert!(matches!(error, GatewayError::Corrupt { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("calls.sqlite is damaged") && said.contains("backup"), "{said}");
}

#[tokio::test]
async fn a_damaged_database_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    World::start(dir.path()).await.stop().await;
    let path = dir.path().join("calls.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = open(dir.path()).await;
    assert!(matches!(error, GatewayError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    World::start(dir.path()).await.stop().await;
    let pool = sqlx::SqlitePool::connect(&format!(
        "sqlite://{}",
        dir.path().join("calls.sqlite").display()
    ))
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool.close().await;
    let error = open(dir.path()).await;
    assert!(matches!(error, GatewayError::Newer { schema: 9999, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version"));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_second_server_in_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let refused = World::try_start(dir.path()).await.err().unwrap();
    assert!(matches!(refused, GatewayError::InUse { .. }));
    world.stop().await;
    World::start(dir.path()).await.stop().await;
}
