//! Writes journal entries into the tables.

use serde_json::{Value, json};
use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, query, query::Query, query_scalar,
    sqlite::SqliteArguments,
};
use trunkline_session::HangupReason;

use crate::{
    journal::{Answered, Entry, Happening, StageMicros, TurnEnded},
    store::Said,
};

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Records entries beyond the applied position, and their position, in one transaction.
pub(super) async fn batch(writer: &SqlitePool, entries: &[Entry]) -> Result<(), sqlx::Error> {
    let mut connection = writer.acquire().await?;
    let written = write(&mut connection, entries).await;
    if written.is_err() {
        // SQLite ends a transaction by itself when the disk is full, which sqlx's count of open
        // transactions misses; a connection that failed is not used again.
        drop(connection.detach());
    }
    written
}

async fn write(connection: &mut SqliteConnection, entries: &[Entry]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let applied = applied_position(&mut transaction).await?;
    let mut last = applied;
    for entry in entries.iter().filter(|entry| entry.position > applied) {
        touch_call(entry).execute(&mut *transaction).await?;
        happening(entry).execute(&mut *transaction).await?;
        last = last.max(entry.position);
    }
    query("UPDATE journal_applied SET position = ?")
        .bind(last.cast_signed())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// The position of the last entry in the tables.
pub(super) async fn applied_position(
    connection: &mut SqliteConnection,
) -> Result<u64, sqlx::Error> {
    query_scalar::<_, i64>("SELECT position FROM journal_applied")
        .fetch_one(connection)
        .await
        .map(i64::cast_unsigned)
}

/// Ends what is open; the last entry's time is the last that is known of a call.
pub(super) async fn close_open_calls(
    writer: &SqlitePool,
    reason: HangupReason,
) -> Result<u64, sqlx::Error> {
    query(
        "UPDATE calls SET ended_at = last_at, duration_us = max(0, last_at - started_at), outcome = ?
         WHERE ended_at IS NULL",
    )
    .bind(reason.as_str())
    .execute(writer)
    .await
    .map(|done| done.rows_affected())
}

/// A row for the call, even where its first entry was lost.
fn touch_call(entry: &Entry) -> Statement {
    query(
        "INSERT INTO calls (id, started_at, last_at) VALUES (?1, ?2, ?2)
         ON CONFLICT (id) DO UPDATE SET last_at = max(last_at, ?2)",
    )
    .bind(entry.call.clone())
    .bind(entry.at_us)
}

fn happening(entry: &Entry) -> Statement {
    match &entry.what {
        Happening::Answered(call) => answered(entry, call),
        Happening::TurnEnded(turn) => turn_ended(entry, turn),
        Happening::ReplySounded { turn, stages } => reply_sounded(entry, *turn, *stages),
        Happening::ReplyHeard { turn: Some(turn), said } => reply_heard(entry, *turn, said),
        Happening::ReplyHeard { turn: None, said } => prompt_heard(entry, said),
        Happening::SpeechIgnored { reason, text, evidence } => {
            let more =
                More { detail: Some(json!({ "text": text })), evidence: Some(json!(evidence)) };
            decision(entry, "speech_ignored", reason, more)
        }
        Happening::Decided { decision: kind, detail } => {
            decision(entry, kind, detail, More::default())
        }
        Happening::Pressed => decision(entry, "key_pressed", "", More::default()),
        Happening::ModelFailed { reason } => {
            decision(entry, "model_failed", reason, More::default())
        }
        Happening::Ended { reason, duration_us } => ended(entry, reason, *duration_us),
    }
}

fn answered(entry: &Entry, call: &Answered) -> Statement {
    query(
        "UPDATE calls SET wire_id = ?, caller = ?, called = ?, leg = ?, agent = ?, started_at = ?
         WHERE id = ?",
    )
    .bind(call.wire_id.clone())
    .bind(call.from.clone())
    .bind(call.to.clone())
    .bind(call.leg.clone())
    .bind(call.agent.clone())
    .bind(entry.at_us)
    .bind(entry.call.clone())
}

fn turn_ended(entry: &Entry, turn: &TurnEnded) -> Statement {
    query(
        "INSERT INTO turns (call_id, turn, heard, end_reason, silence_us, end_probability,
         speech_end_media_ms, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (call_id, turn) DO UPDATE SET
         heard = excluded.heard, end_reason = excluded.end_reason,
         silence_us = excluded.silence_us, end_probability = excluded.end_probability,
         speech_end_media_ms = excluded.speech_end_media_ms, ended_at = excluded.ended_at",
    )
    .bind(entry.call.clone())
    .bind(turn.turn)
    .bind(turn.text.clone())
    .bind(turn.reason.clone())
    .bind(turn.silence_us)
    .bind(turn.end_probability)
    .bind(turn.speech_end_media_ms.cast_signed())
    .bind(entry.at_us)
}

fn reply_sounded(entry: &Entry, turn: u32, stages: StageMicros) -> Statement {
    query(
        "INSERT INTO turns (call_id, turn, endpoint_us, stt_us, llm_first_token_us,
         tts_first_audio_us, playout_us, reply_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (call_id, turn) DO UPDATE SET
         endpoint_us = excluded.endpoint_us, stt_us = excluded.stt_us,
         llm_first_token_us = excluded.llm_first_token_us,
         tts_first_audio_us = excluded.tts_first_audio_us,
         playout_us = excluded.playout_us, reply_at = excluded.reply_at",
    )
    .bind(entry.call.clone())
    .bind(turn)
    .bind(stages.endpoint)
    .bind(stages.stt)
    .bind(stages.llm_first_token)
    .bind(stages.tts_first_audio)
    .bind(stages.playout)
    .bind(entry.at_us)
}

fn reply_heard(entry: &Entry, turn: u32, said: &Said) -> Statement {
    query(
        "INSERT INTO turns (call_id, turn, reply, whole, interrupted) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (call_id, turn) DO UPDATE SET
         reply = excluded.reply, whole = excluded.whole, interrupted = excluded.interrupted",
    )
    .bind(entry.call.clone())
    .bind(turn)
    .bind(said.text.clone())
    .bind(said.whole)
    .bind(said.interrupted)
}

fn prompt_heard(entry: &Entry, said: &Said) -> Statement {
    query(
        "INSERT INTO prompts (call_id, position, at, text, whole, interrupted)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(entry.call.clone())
    .bind(entry.position.cast_signed())
    .bind(entry.at_us)
    .bind(said.text.clone())
    .bind(said.whole)
    .bind(said.interrupted)
}

fn decision(entry: &Entry, kind: &str, reason: &str, more: More) -> Statement {
    query(
        "INSERT INTO decisions (call_id, position, at, kind, reason, detail, evidence)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(entry.call.clone())
    .bind(entry.position.cast_signed())
    .bind(entry.at_us)
    .bind(kind.to_owned())
    .bind(reason.to_owned())
    .bind(more.detail.map(|json| json.to_string()))
    .bind(more.evidence.map(|json| json.to_string()))
}

fn ended(entry: &Entry, reason: &str, duration_us: i64) -> Statement {
    query("UPDATE calls SET ended_at = ?, duration_us = ?, outcome = ? WHERE id = ?")
        .bind(entry.at_us)
        .bind(duration_us)
        .bind(reason.to_owned())
        .bind(entry.call.clone())
}

/// What a decision has beside its reason.
#[derive(Default)]
struct More {
    detail: Option<Value>,
    evidence: Option<Value>,
}
