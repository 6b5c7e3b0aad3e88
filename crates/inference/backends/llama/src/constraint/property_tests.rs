//! Random schemas, and replies that choose at random among the tokens that the grammar allows: each
//! one that ends by itself is valid, by a validator that knows nothing of grammars.

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use proptest::{prelude::*, test_runner::TestRng};
use serde_json::{Map, Value, json};

use super::{Grammars, Rule};
use crate::vocabulary::{Vocabulary, toy::Toy};

/// Tokens of a reply, after which it ends what it can end.
const FREE_TOKENS: usize = 60;
/// Tokens after which a reply is given up: it would be cut.
const MOST_TOKENS: usize = 600;

const WORDS: [&str; 14] = [
    "\": ", "\", \"", "{\"", "\"}", "\"]", ", ", "null", "true", "false", "-1", "00", "\\u00e9",
    "é€", "ab",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_ends_by_itself_is_valid(schema in schema(), seed in any::<[u8; 32]>()) {
        let vocabulary: Arc<dyn Vocabulary> = Arc::new(Toy::with(&WORDS));
        let root = rooted(&schema);
        let mut grammars = Grammars::new(Arc::clone(&vocabulary));
        let constraint = grammars.begin(&Rule::Json(root.clone()));
        let mut constraint = constraint.map_err(|e| TestCaseError::fail(format!("{root}: {e}")))?;
        let mut rng = TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed);
        let mut reply = Vec::new();
        for written in 0..MOST_TOKENS {
            if constraint.is_complete() {
                break;
            }
            let token = choose(&mut constraint, vocabulary.as_ref(), written, &mut rng);
            if vocabulary.is_end(token) {
                break;
            }
            constraint.accept(token).map_err(TestCaseError::fail)?;
            reply.extend(vocabulary.piece(token));
        }
        let is_whole = constraint.is_complete() || constraint.allows(LlamaToken(0)) == Ok(true);
        prop_assert!(is_whole, "no end of {} by {}", String::from_utf8_lossy(&reply), root);
        let value: Value = serde_json::from_slice(&reply)
            .map_err(|e| TestCaseError::fail(format!("{e}: {}", String::from_utf8_lossy(&reply))))?;
        let validator = jsonschema::options().should_validate_formats(true).build(&root).unwrap();
        let valid = validator.validate(&value);
        prop_assert!(valid.is_ok(), "{root}\n{}\n{valid:?}", String::from_utf8_lossy(&reply));
    }
}

/// A token that is allowed: any, at first; later one that ends something.
fn choose(
    constraint: &mut super::Constraint,
    vocabulary: &dyn Vocabulary,
    written: usize,
    rng: &mut TestRng,
) -> LlamaToken {
    let allowed = constraint.allowed().unwrap();
    let size = i32::try_from(vocabulary.size()).unwrap();
    let tokens: Vec<i32> = (0..size).filter(|&token| allowed.contains(token)).collect();
    assert!(!tokens.is_empty(), "there is always a way on");
    for &token in &tokens {
        assert_eq!(constraint.allows(LlamaToken(token)), Ok(true), "both ways of asking agree");
        if tokens.len() > 40 {
            break;
        }
    }
    let closing = |token: &&i32| {
        let piece = vocabulary.piece(LlamaToken(**token));
        [&b""[..], b"\"", b"}", b"]"].iter().position(|closing| *closing == piece)
    };
    let closer = tokens.iter().filter(|token| closing(token).is_some()).min_by_key(closing);
    if let Some(&closer) = closer.filter(|_| written >= FREE_TOKENS) {
        return LlamaToken(closer);
    }
    let at = rng.random_range(0..tokens.len());
    LlamaToken(tokens[at])
}

/// With something that `$ref` finds.
fn rooted(schema: &Value) -> Value {
    let shared = json!({"type": "object", "properties": {
        "deeper": {"anyOf": [{"$ref": "#/$defs/shared"}, {"type": "null"}]},
        "size": {"type": "integer", "minimum": 0, "maximum": 12}
    }, "required": ["size"], "additionalProperties": false});
    json!({
        "type": "object",
        "properties": {"it": schema},
        "required": ["it"],
        "additionalProperties": false,
        "$defs": {"shared": shared}
    })
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            object(inner.clone()),
            (inner.clone(), 0_u64..3, 0_u64..3).prop_map(|(items, least, more)| {
                json!({"type": "array", "items": items, "minItems": least, "maxItems": least + more})
            }),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|any| json!({"anyOf": any})),
            (inner.clone(), inner).prop_map(|(a, b)| {
                json!({"type": "array", "prefixItems": [a, b], "minItems": 2, "items": false})
            }),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let properties = proptest::collection::vec((inner, any::<bool>()), 0..4);
    (properties, any::<bool>()).prop_map(|(properties, is_open)| {
        let named = || properties.iter().zip(["a", "b \"q\"", "é", "d"]);
        let required: Vec<_> =
            named().filter(|((_, is_required), _)| *is_required).map(|(_, name)| name).collect();
        let properties: Map<String, Value> =
            named().map(|((schema, _), name)| (name.to_owned(), schema.clone())).collect();
        let mut object = json!({"type": "object", "properties": properties, "required": required});
        object["additionalProperties"] =
            if is_open { json!({"type": "integer"}) } else { json!(false) };
        object
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    let number = prop_oneof![Just("integer"), Just("number")];
    prop_oneof![
        Just(json!({"type": "boolean"})),
        Just(json!({"type": "null"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "integer"})),
        Just(json!({"$ref": "#/$defs/shared"})),
        Just(json!({"const": {"a": [1, "x", null]}})),
        Just(json!({"enum": ["red", "gr\u{fc}n", 3, true, null]})),
        Just(json!({"type": "object", "additionalProperties": {"type": "boolean"}})),
        (number, -30_i32..30, 0_i32..40).prop_map(
            |(kind, least, more)| json!({"type": kind, "minimum": least, "maximum": least + more})
        ),
        (-30_i32..30, 2_i32..40).prop_map(|(least, more)| {
            json!({"type": "integer", "exclusiveMinimum": least, "exclusiveMaximum": least + more})
        }),
        Just(json!({"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5})),
        (0_usize..4, 0_usize..5).prop_map(|(least, more)| {
            json!({"type": "string", "minLength": least, "maxLength": least + more})
        }),
        prop_oneof![Just("^[a-c]{2,4}$"), Just("^x\\d+$"), Just("^(foo|bar)-[0-9]{3}$")]
            .prop_map(|pattern| json!({"type": "string", "pattern": pattern})),
        prop_oneof![
            Just("date"),
            Just("time"),
            Just("date-time"),
            Just("uuid"),
            Just("ipv4"),
            Just("ipv6"),
            Just("duration"),
        ]
        .prop_map(|format| json!({"type": "string", "format": format})),
    ]
}
