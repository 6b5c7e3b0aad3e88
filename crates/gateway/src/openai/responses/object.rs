//! The response as an object, from its making to its end.

use serde_json::{Value, json};
use trunkline_inference::{FinishReason, ModelError};

use crate::{
    openai::{reply::Tally, stamp},
    refusal::Refusal,
};

/// Whether a response has still to come to an end.
pub(super) fn is_open(response: &Value) -> bool {
    matches!(response["status"].as_str(), Some("queued" | "in_progress"))
}

/// The response with its status.
pub(super) fn with_status(mut response: Value, status: &str) -> Value {
    response["status"] = json!(status);
    response
}

/// The response when it has been stopped.
pub(super) fn cancelled(response: Value) -> Value {
    with_status(response, "cancelled")
}

/// The response when the model has ended it.
pub(super) fn ended(
    mut response: Value,
    output: &[Value],
    tally: Tally,
    finish: FinishReason,
) -> Value {
    response["output"] = json!(output);
    response["usage"] = usage(tally);
    match finish {
        FinishReason::Stop | FinishReason::ToolCalls => {
            response["completed_at"] = json!(stamp::now_s());
            with_status(response, "completed")
        }
        FinishReason::Length => {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
            with_status(response, "incomplete")
        }
    }
}

/// The response when the model has failed.
pub(super) fn failed(mut response: Value, output: &[Value], error: ModelError) -> Value {
    let code = match error {
        ModelError::Busy { .. } => "rate_limit_exceeded",
        ModelError::BadRequest(_) | ModelError::TooLong { .. } => "invalid_prompt",
        ModelError::Missing { .. }
        | ModelError::Corrupt { .. }
        | ModelError::Engine { .. }
        | ModelError::Stopped { .. } => "server_error",
    };
    let message = Refusal::from(error).error()["message"].clone();
    response["output"] = json!(output);
    response["error"] = json!({ "code": code, "message": message });
    with_status(response, "failed")
}

fn usage(tally: Tally) -> Value {
    json!({
        "input_tokens": tally.prompt,
        "input_tokens_details": { "cached_tokens": tally.cached, "cache_write_tokens": 0 },
        "output_tokens": tally.generated,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": tally.prompt.saturating_add(tally.generated),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_one_of_openais_codes_and_hides_what_only_the_log_may_say() {
        let told = |error| failed(json!({}), &[], error)["error"].clone();
        assert_eq!(told(ModelError::Busy { engine: "x" })["code"], "rate_limit_exceeded");
        assert_eq!(told(ModelError::BadRequest("long".into()))["message"], "long");
        let engine = told(ModelError::Engine { engine: "x", reason: "secret".into() });
        assert_eq!(engine["code"], "server_error");
        assert!(!engine.to_string().contains("secret"));
    }

    #[test]
    fn only_what_waits_or_works_is_open() {
        for (status, open) in
            [("queued", true), ("in_progress", true), ("completed", false), ("cancelled", false)]
        {
            assert_eq!(is_open(&with_status(json!({}), status)), open, "{status}");
        }
    }
}
