//! Journal files: their format, their succession, and their end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use trunkline_gateway::journal::Recovered;

use crate::{
    sample::{answered, call, conversation, ended, record, reply},
    world::World,
};

/// Longer than a journal file gets.
const MUCH: usize = 5 * 1024 * 1024;
const PIECE: usize = 16 * 1024;

fn journal_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Has the world write more than one file's worth.
async fn note_much(world: &World) -> usize {
    let pieces = MUCH / PIECE;
    for piece in 0..pieces {
        world.note_all([record(call(1), 0, reply(None, &"x".repeat(PIECE), true))]);
        // A file is followed by another between batches, not within one.
        if piece % 32 == 31 {
            world.journal.flush().await.unwrap();
        }
    }
    world.journal.flush().await.unwrap();
    pieces
}

/// A journal of this format may be replayed by a later version, so it changes only with care.
#[tokio::test]
async fn the_format_of_a_journal_file_is_this() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all(conversation(call(1)));
    world.journal.flush().await.unwrap();
    let files = journal_files(dir.path());
    assert_eq!(files.len(), 1);
    insta::assert_snapshot!("journal_file", fs::read_to_string(&files[0]).unwrap());
    world.stop().await;
}

#[tokio::test]
async fn a_clean_stop_leaves_no_words_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all(conversation(call(1)));
    world.stop().await;
    assert!(journal_files(dir.path()).is_empty());
    let world = World::start(dir.path()).await;
    assert_eq!(world.recovered(), Recovered { replayed: 0, crashed_calls: 0 });
    world.stop().await;
}

#[tokio::test]
async fn a_long_journal_is_cut_into_files_and_recorded_ones_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.store_works(false);
    let pieces = note_much(&world).await;
    let before = journal_files(dir.path());
    assert!(before.len() >= 2, "{before:?}");
    world.store_works(true);
    world.journal.settle().await.unwrap();
    // The recorder passes a file once it reads the next.
    world.note_all([record(call(1), 100, ended())]);
    world.journal.settle().await.unwrap();
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    assert_eq!(found.prompts.len(), pieces);
    world.stop().await;
    assert!(journal_files(dir.path()).is_empty());
}

#[tokio::test]
async fn a_crash_with_several_files_replays_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.store_works(false);
    let pieces = note_much(&world).await;
    assert!(journal_files(dir.path()).len() >= 2);
    world.crash().await;
    let world = World::start(dir.path()).await;
    assert_eq!(world.recovered().replayed, pieces as u64);
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    assert_eq!(found.prompts.len(), pieces);
    assert!(journal_files(dir.path()).is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_start_that_cannot_record_keeps_the_journal_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.store_works(false);
    world.note_all(conversation(call(1)));
    world.journal.flush().await.unwrap();
    world.crash().await;
    let kept = journal_files(dir.path());

    let refused = World::try_start_failing(dir.path()).await;
    assert!(refused.to_string().contains("full"), "{refused}");
    assert_eq!(journal_files(dir.path()), kept);
    let world = World::start(dir.path()).await;
    assert_eq!(world.recovered().replayed, 11);
    world.stop().await;
}

#[tokio::test]
async fn files_that_somebody_removed_cost_their_entries_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all([record(call(1), 0, answered("one", "sip:a@example.com"))]);
    world.journal.settle().await.unwrap();
    world.store_works(false);
    let _ = note_much(&world).await;
    world.crash().await;
    let files = journal_files(dir.path());
    fs::remove_file(&files[0]).unwrap();

    let world = World::start(dir.path()).await;
    assert!(world.recovered().replayed > 0);
    world.note_all([record(call(2), 0, answered("two", "sip:b@example.com"))]);
    world.journal.settle().await.unwrap();
    assert!(world.store.call(call(2)).await.unwrap().is_some());
    world.stop().await;
}

#[tokio::test]
async fn other_files_in_the_folder_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    World::start(dir.path()).await.stop().await;
    let note = dir.path().join("journal/README");
    fs::write(&note, "not ours").unwrap();
    World::start(dir.path()).await.stop().await;
    assert_eq!(fs::read_to_string(note).unwrap(), "not ours");
}
