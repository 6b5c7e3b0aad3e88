//! Processes that die: what they acknowledged is there at the next start, once.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use trunkline_gateway::journal::Recovered;
use trunkline_session::Observer;

use crate::{
    sample::{answered, call, conversation, record, turn_ended},
    world::World,
};

const ROUNDS: u128 = 20;

#[tokio::test]
async fn what_was_durable_when_the_process_was_killed_is_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let acknowledged = kill_after(dir.path(), round, 5 + round * 7 % 60);
        let world = World::start(dir.path()).await;
        assert_eq!(world.recovered().crashed_calls, 1, "round {round}");
        let found = world.store.call(call(round)).await.unwrap().unwrap();
        let turns: Vec<_> = found.turns.iter().map(|turn| turn.number).collect();
        assert!(turns.len() >= acknowledged, "{} of {acknowledged} turns", turns.len());
        assert_eq!(turns, (1..=u32::try_from(turns.len()).unwrap()).collect::<Vec<_>>());
        assert_eq!(found.call.ended.unwrap().outcome, "crashed");
        world.stop().await;
    }
    assert!(journal_files(dir.path()).is_empty(), "recorded journal files are removed");
}

/// Has another process take notes in the folder, kills it once it has acknowledged this many turns,
/// and says how many it acknowledged in the end.
fn kill_after(dir: &Path, round: u128, turns: u128) -> usize {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::a_process_that_takes_notes", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{round}\n{}", dir.display()).unwrap();
    let mut acknowledged = 0;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(turn) = line.strip_prefix("durable ") {
            acknowledged = turn.parse().unwrap();
        }
        if acknowledged as u128 >= turns {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

#[tokio::test]
#[ignore = "the process that another test kills"]
async fn a_process_that_takes_notes() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let (Some(round), Some(dir)) = (lines.next(), lines.next()) else { return };
    let id = call(round.parse().unwrap());
    let world = World::start(&PathBuf::from(dir)).await;
    world.journal.note(record(id, 0, answered("wire", "sip:alice@example.com")));
    for turn in 1..100_000 {
        world.journal.note(record(id, u64::from(turn), turn_ended(turn, "and then")));
        if turn % 3 == 0 {
            world.journal.flush().await.unwrap();
            println!("\ndurable {turn}");
        }
    }
}

#[tokio::test]
async fn entries_that_the_store_lacked_are_replayed_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let conversation = conversation(call(1));
    let (recorded, unrecorded) = conversation.split_at(4);
    world.note_all(recorded.to_vec());
    world.journal.settle().await.unwrap();
    world.store_works(false);
    world.note_all(unrecorded.to_vec());
    world.journal.flush().await.unwrap();
    world.crash().await;

    let world = World::start(dir.path()).await;
    let replayed = unrecorded.len() as u64;
    assert_eq!(world.recovered(), Recovered { replayed, crashed_calls: 0 });
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    assert_eq!((found.turns.len(), found.prompts.len(), found.decisions.len()), (2, 1, 4));
    world.crash().await;

    let world = World::start(dir.path()).await;
    assert_eq!(world.recovered(), Recovered { replayed: 0, crashed_calls: 0 });
    assert_eq!(world.store.call(call(1)).await.unwrap().unwrap(), found);
    // Positions go on where they were, so that later entries are not taken for replayed ones.
    world.note_all([record(call(2), 0, answered("", "sip:bob@example.com"))]);
    world.journal.settle().await.unwrap();
    assert!(world.store.call(call(2)).await.unwrap().is_some());
    world.stop().await;
}

#[tokio::test]
async fn a_call_left_open_ends_as_crashed_at_its_last_entry() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all([
        record(call(1), 0, answered("", "sip:alice@example.com")),
        record(call(1), 4500, turn_ended(1, "hello")),
    ]);
    world.journal.flush().await.unwrap();
    world.crash().await;

    let world = World::start(dir.path()).await;
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    let ended = found.call.ended.unwrap();
    assert_eq!((ended.outcome.as_str(), ended.duration_us), ("crashed", 4_500_000));
    world.stop().await;
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_the_rest_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.store_works(false);
    world.note_all(conversation(call(1)));
    world.journal.flush().await.unwrap();
    world.crash().await;

    let files = journal_files(dir.path());
    let bytes = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &bytes[..bytes.len() - 7]).unwrap();
    let world = World::start(dir.path()).await;
    // The end of the call was in the last line.
    assert_eq!(world.recovered(), Recovered { replayed: 10, crashed_calls: 1 });
    world.stop().await;
}

fn journal_files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect()
}
