//! Reads calls from the tables.

use serde_json::Value;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool, query, query_scalar, sqlite::SqliteRow};
use trunkline_session::{CallId, StageTimes};
use uuid::Uuid;

use crate::{
    journal::StageMicros,
    store::{
        Call, CallFilter, CallRecord, Decision, Ended, HeardTurn, Outcome, Parties, Prompt, Said,
        Turn,
    },
};

const CALL_COLUMNS: &str = "SELECT id, wire_id, caller, called, leg, agent, tenant, started_at,
    ended_at, duration_us, outcome,
    (SELECT count(*) FROM turns WHERE turns.call_id = calls.id) AS turn_count
    FROM calls";

/// A page of calls, the newest first: ids are time-ordered.
pub(super) async fn calls(
    readers: &SqlitePool,
    filter: &CallFilter,
    limit: u32,
    before: Option<CallId>,
) -> Result<Vec<Call>, sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(CALL_COLUMNS);
    query.push(" WHERE TRUE");
    if let Some(from) = &filter.from {
        query.push(" AND instr(lower(caller), lower(").push_bind(from.clone()).push(")) > 0");
    }
    if let Some(to) = &filter.to {
        query.push(" AND instr(lower(called), lower(").push_bind(to.clone()).push(")) > 0");
    }
    match filter.outcome {
        None => {}
        Some(Outcome::Open) => {
            query.push(" AND ended_at IS NULL");
        }
        Some(Outcome::Ended(reason)) => {
            query.push(" AND outcome = ").push_bind(reason.as_str());
        }
    }
    if let Some(since) = filter.since_us {
        query.push(" AND started_at >= ").push_bind(since);
    }
    if let Some(before) = before {
        query.push(" AND id < ").push_bind(before.to_string());
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    query.build().fetch_all(readers).await?.iter().map(call_of).collect()
}

/// A call with everything known about it, as of one moment.
pub(super) async fn call(
    readers: &SqlitePool,
    id: CallId,
) -> Result<Option<CallRecord>, sqlx::Error> {
    let mut moment = readers.begin().await?;
    let id = id.to_string();
    let Some(row) = QueryBuilder::<Sqlite>::new(CALL_COLUMNS)
        .push(" WHERE id = ")
        .push_bind(id.clone())
        .build()
        .fetch_optional(&mut *moment)
        .await?
    else {
        return Ok(None);
    };
    let turns = query("SELECT * FROM turns WHERE call_id = ? ORDER BY turn").bind(id.clone());
    let turns = turns.fetch_all(&mut *moment).await?;
    let prompts =
        query("SELECT * FROM prompts WHERE call_id = ? ORDER BY position").bind(id.clone());
    let prompts = prompts.fetch_all(&mut *moment).await?;
    let decisions = query("SELECT * FROM decisions WHERE call_id = ? ORDER BY position").bind(id);
    let decisions = decisions.fetch_all(&mut *moment).await?;
    moment.commit().await?;
    Ok(Some(CallRecord {
        call: call_of(&row)?,
        turns: turns.iter().map(turn_of).collect::<Result<_, _>>()?,
        prompts: prompts.iter().map(prompt_of).collect::<Result<_, _>>()?,
        decisions: decisions.iter().map(decision_of).collect::<Result<_, _>>()?,
    }))
}

/// The newest call with this name on the wire.
pub(super) async fn call_with_wire_id(
    readers: &SqlitePool,
    wire_id: &str,
) -> Result<Option<CallId>, sqlx::Error> {
    query_scalar::<_, String>(
        "SELECT id FROM calls WHERE wire_id = ? AND wire_id <> '' ORDER BY id DESC LIMIT 1",
    )
    .bind(wire_id)
    .fetch_optional(readers)
    .await?
    .map(|id| call_id(&id))
    .transpose()
}

/// Reads a row that is always there.
pub(super) async fn check_reachable(readers: &SqlitePool) -> Result<(), sqlx::Error> {
    query_scalar::<_, i64>("SELECT position FROM journal_applied").fetch_one(readers).await?;
    Ok(())
}

fn call_of(row: &SqliteRow) -> Result<Call, sqlx::Error> {
    let parties = Parties {
        from: row.try_get("caller")?,
        to: row.try_get("called")?,
        leg: row.try_get("leg")?,
        agent: row.try_get("agent")?,
        tenant: row.try_get("tenant")?,
    };
    let ended = match row.try_get("ended_at")? {
        None => None,
        Some(at_us) => Some(Ended {
            at_us,
            duration_us: row.try_get("duration_us")?,
            outcome: row.try_get("outcome")?,
        }),
    };
    Ok(Call {
        id: call_id(row.try_get("id")?)?,
        wire_id: row.try_get("wire_id")?,
        parties,
        started_at_us: row.try_get("started_at")?,
        ended,
        turn_count: row.try_get("turn_count")?,
    })
}

fn call_id(text: &str) -> Result<CallId, sqlx::Error> {
    Uuid::parse_str(text).map(CallId).map_err(|e| sqlx::Error::Decode(e.into()))
}

fn turn_of(row: &SqliteRow) -> Result<Turn, sqlx::Error> {
    Ok(Turn {
        number: row.try_get("turn")?,
        heard: heard_of(row)?,
        latency: stages_of(row)?,
        reply: match row.try_get("reply")? {
            None => None,
            Some(text) => Some(said_of(row, text)?),
        },
    })
}

fn heard_of(row: &SqliteRow) -> Result<Option<HeardTurn>, sqlx::Error> {
    let Some(text) = row.try_get("heard")? else { return Ok(None) };
    Ok(Some(HeardTurn {
        text,
        end_reason: row.try_get("end_reason")?,
        silence_us: row.try_get("silence_us")?,
        end_probability: row.try_get("end_probability")?,
        speech_end_media_ms: row.try_get("speech_end_media_ms")?,
        ended_at_us: row.try_get("ended_at")?,
    }))
}

fn stages_of(row: &SqliteRow) -> Result<Option<StageTimes>, sqlx::Error> {
    let Some(endpoint) = row.try_get("endpoint_us")? else { return Ok(None) };
    let stages = StageMicros {
        endpoint,
        stt: row.try_get("stt_us")?,
        llm_first_token: row.try_get("llm_first_token_us")?,
        tts_first_audio: row.try_get("tts_first_audio_us")?,
        playout: row.try_get("playout_us")?,
    };
    Ok(Some(stages.into()))
}

fn prompt_of(row: &SqliteRow) -> Result<Prompt, sqlx::Error> {
    Ok(Prompt { at_us: row.try_get("at")?, said: said_of(row, row.try_get("text")?)? })
}

fn said_of(row: &SqliteRow, text: String) -> Result<Said, sqlx::Error> {
    Ok(Said { text, whole: row.try_get("whole")?, interrupted: row.try_get("interrupted")? })
}

fn decision_of(row: &SqliteRow) -> Result<Decision, sqlx::Error> {
    Ok(Decision {
        at_us: row.try_get("at")?,
        kind: row.try_get("kind")?,
        reason: row.try_get("reason")?,
        detail: json_of(row.try_get("detail")?)?,
        evidence: json_of(row.try_get("evidence")?)?,
    })
}

fn json_of(text: Option<&str>) -> Result<Option<Value>, sqlx::Error> {
    let json = text.map(serde_json::from_str).transpose();
    json.map_err(|e| sqlx::Error::Decode(e.into()))
}
