//! Tools, formats and probabilities on real models.

use serde_json::{Value, json};
use trunkline_inference::{Completion, TextFormat, Tool, ToolChoice};

use super::*;

#[test]
#[ignore = "needs models"]
fn real_templates_render_tools_as_transformers_does() {
    // Written by transformers' render_jinja_template from the small model's own template.
    let small = include_str!("../golden/qwen_tools.txt");
    let arguments = "{\"name\": <function-name>, \"arguments\": <args-json-object>}";
    let large = small.replace(arguments, &format!("{{{arguments}}}"));
    let parameters = json!({"type": "object", "properties": {
        "city": {"type": "string", "description": "Größe & \"Name\""}, "days": {"type": "integer"}
    }, "required": ["city"]});
    let description = "Tells the weather of a city <today>.".to_owned();
    let weather = Tool { name: "weather".to_owned(), description, parameters };
    let call =
        |arguments: &str| ToolCall { name: "weather".to_owned(), arguments: arguments.to_owned() };
    let calls = vec![call("{\"city\":\"Bern\",\"days\":2}"), call("{\"city\":\"Zürich\"}")];
    let messages = [
        said(Role::System, "Be brief."),
        said(Role::User, "Weather in Bern?"),
        Message { tool_calls: calls, ..said(Role::Assistant, "") },
        said(Role::Tool, "{\"sky\": \"sunny\"}"),
        said(Role::Tool, "rain"),
    ];
    for (model, golden) in [(SMALL, small), (LARGE, large.as_str())] {
        let weights = Weights::load(&config(model)).unwrap();
        let source = weights.chat_template();
        let template = ChatTemplate::of_model(source.as_deref(), weights.token_texts()).unwrap();
        let tools = std::slice::from_ref(&weather);
        assert_eq!(template.render(&messages, tools, Ending::Reply).unwrap(), golden, "{model}");
    }
}

#[test]
#[ignore = "needs models"]
fn real_tool_calls_are_told_from_text() {
    for model in [SMALL, LARGE] {
        let llama = Llama::load(config(model)).unwrap();
        let booking = || Chat { tools: tools(), ..chat(&["Book an appointment for Monday."]) };
        let reply = run(&llama, booking());
        let [call] = reply.calls.as_slice() else { panic!("{reply:?}") };
        assert_eq!(call.name, "book_appointment");
        assert!(call.arguments.contains("Monday"), "{reply:?}");
        assert_eq!((reply.text.trim(), reply.finish), ("", FinishReason::ToolCalls));
        let plain = run(&llama, Chat { tool_choice: ToolChoice::None, ..booking() });
        assert!(plain.calls.is_empty() && !plain.text.is_empty(), "{plain:?}");
    }
}

#[test]
#[ignore = "needs models"]
fn real_calls_can_be_required_whatever_is_said() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let hello =
        |tool_choice| Chat { tools: tools(), tool_choice, ..chat(&["Hello, how are you?"]) };
    let reply = run(&llama, hello(ToolChoice::Required));
    assert!(!reply.calls.is_empty(), "{reply:?}");
    for name in ["book_appointment", "weather"] {
        let reply = run(&llama, hello(ToolChoice::Function(name.to_owned())));
        let [call] = reply.calls.as_slice() else { panic!("{reply:?}") };
        assert_eq!((call.name.as_str(), reply.finish), (name, FinishReason::ToolCalls));
        let tool = tools().into_iter().find(|tool| tool.name == name).unwrap();
        let arguments = serde_json::from_str(&call.arguments).unwrap();
        assert!(jsonschema::is_valid(&tool.parameters, &arguments), "{reply:?}");
    }
}

#[test]
#[ignore = "needs models"]
fn real_replies_keep_to_schemas() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let answer = |format, seed| {
        let temperature = if seed == 0 { 0.0 } else { 1.0 };
        let options = ChatOptions { format, temperature, seed, ..at_most(300) };
        run(&llama, Chat { options, ..chat(&["Anna Meier, 34, from Bern, wants a check-up."]) })
    };
    for schema in schemas() {
        for seed in 0..3 {
            let reply = answer(TextFormat::JsonSchema(schema.clone()), seed);
            if reply.finish == FinishReason::Length {
                continue;
            }
            let value: Value = serde_json::from_str(&reply.text).unwrap();
            assert!(jsonschema::is_valid(&schema, &value), "{schema} {reply:?}");
        }
    }
    let reply = answer(TextFormat::JsonObject, 0);
    assert!(serde_json::from_str::<Value>(&reply.text).unwrap().is_object(), "{reply:?}");
}

#[test]
#[ignore = "needs models"]
fn real_schemas_that_cannot_be_kept_are_refused_at_once() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let format = TextFormat::JsonSchema(json!({"not": {"type": "string"}}));
    let stream =
        llama.reply(Chat { options: ChatOptions { format, ..at_most(9) }, ..chat(&["Hi"]) });
    let pieces: Vec<_> = block_on(stream.collect());
    assert!(matches!(pieces.as_slice(), [Err(error)] if error.to_string().contains("not")));
}

#[test]
#[ignore = "needs models"]
fn real_texts_are_continued_and_counted() {
    let llama = Llama::load(config(SMALL)).unwrap();
    let prompt = "The capital of France is".to_owned();
    let reply = read(llama.complete(Completion {
        prompt,
        options: ChatOptions { top_logprobs: Some(3), ..at_most(6) },
        ..Completion::default()
    }));
    assert!(reply.text.contains("Paris"), "{reply:?}");
    assert_eq!((reply.usage.0, reply.finish), (5, FinishReason::Length));
    let told: Vec<u8> = reply.logprobs.iter().flat_map(|t| t.chosen.bytes.clone()).collect();
    assert_eq!(told, reply.text.as_bytes());
    for token in &reply.logprobs {
        assert_eq!(token.top.len(), 3);
        assert_eq!(token.top[0], token.chosen, "greedy takes the most probable");
        let sum: f32 = token.top.iter().map(|candidate| candidate.logprob.exp()).sum();
        assert!(sum > 0.0 && sum <= 1.001, "{token:?}");
    }
    let asked = Chat { tools: tools(), ..chat(&["Are you open?"]) };
    let counted = llama.count_tokens(&asked).unwrap();
    assert_eq!(run(&llama, Chat { options: at_most(1), ..asked }).usage.0, counted);
}

fn tools() -> Vec<Tool> {
    let tool = |name: &str, description: &str, parameters| Tool {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
    };
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
    vec![
        tool(
            "book_appointment",
            "Books an appointment",
            json!({"type": "object", "properties": {"day": {"enum": days}}, "required": ["day"],
                "additionalProperties": false}),
        ),
        tool(
            "weather",
            "Tells the weather of a city",
            json!({"type": "object", "properties": {"city": {"type": "string"}},
                "required": ["city"], "additionalProperties": false}),
        ),
    ]
}

fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "object", "properties": {"name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "city": {"type": ["string", "null"]}}, "required": ["name", "age", "city"],
            "additionalProperties": false}),
        json!({"type": "array", "items": {"enum": ["check-up", "pain", "question"]}, "minItems": 1,
            "maxItems": 3}),
        json!({"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 12}]}),
        json!({"type": "object", "properties": {"tree": {"$ref": "#/$defs/node"}},
            "required": ["tree"], "additionalProperties": false,
            "$defs": {"node": {"type": "object", "properties": {"label": {"type": "string", "maxLength": 9},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}},
                "required": ["label", "children"], "additionalProperties": false}}}),
        json!({"type": "object", "properties": {"date": {"type": "string", "format": "date"},
            "phone": {"type": "string", "pattern": "^\\+[0-9]{6,12}$"}},
            "required": ["date", "phone"], "additionalProperties": false}),
    ]
}
