//! Replies that a grammar constrains: which tokens may come next, so that what is written is JSON of
//! a schema or a call of a function.

mod keeper;
#[cfg(test)]
mod property_tests;
mod schema;
mod tool_grammar;

use std::sync::Arc;

use llama_cpp_2::token::LlamaToken;
use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, SimpleVob, TokEnv, TokRxInfo, TokTrie},
};
use trunkline_inference::ModelError;

pub(crate) use self::{
    keeper::{Keeper, Rein},
    tool_grammar::{CallForm, CallRules},
};
use crate::vocabulary::Vocabulary;

/// Compiled grammars kept for requests that bring them again, the least recently used given up first.
const KEPT_GRAMMARS: usize = 32;
/// States that one grammar's lexer may reach over all its replies, at 1 to 2 kB each. A reply that
/// needs more fails, and the next one begins with none.
const LEXER_STATES: usize = 50_000;
/// The most that a refusal says.
const REFUSAL_CHARS: usize = 300;
/// Marks the text of a control token in llguidance's vocabulary: no grammar of text matches it.
const CONTROL_MARK: u8 = 0xFF;

/// What a reply, or what is left of it, must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// JSON that is valid against a schema.
    Json(serde_json::Value),
    /// Calls of functions.
    Calls(CallRules),
}

/// Compiles grammars for one vocabulary.
pub(crate) struct Grammars {
    vocabulary: Arc<dyn Vocabulary>,
    factory: Option<ParserFactory>,
    /// The most recently used last.
    compiled: Vec<(String, Matcher)>,
}

impl Grammars {
    /// No grammars yet.
    pub(crate) fn new(vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self { vocabulary, factory: None, compiled: Vec::new() }
    }

    /// Arranges the vocabulary for grammars, once: some tenths of a second for 150,000 tokens.
    pub(crate) fn prepare(&mut self) -> Result<&ParserFactory, ModelError> {
        if self.factory.is_none() {
            self.factory = Some(factory(self.vocabulary.as_ref()).map_err(|e| failed(&e))?);
        }
        self.factory.as_ref().ok_or(ModelError::Stopped { engine: "llama" })
    }

    /// Begins a reply by a rule. [`ModelError::BadRequest`] says what of a schema cannot be kept.
    pub(crate) fn begin(&mut self, rule: &Rule) -> Result<Constraint, ModelError> {
        let (key, grammar) = match rule {
            Rule::Json(schema) => {
                let schema = schema::prepare(schema)?;
                (schema.to_string(), TopLevelGrammar::from_json_schema(schema))
            }
            Rule::Calls(rules) => tool_grammar::compose(rules)?,
        };
        let matcher = match self.compiled.iter().position(|(kept, _)| *kept == key) {
            Some(at) => self.compiled.remove(at).1,
            None => self.compile(grammar)?,
        };
        let constraint = Constraint {
            matcher: matcher.clone(),
            ends: Arc::clone(&self.vocabulary),
            next: None,
            is_asked_for_all: false,
        };
        if self.compiled.len() >= KEPT_GRAMMARS {
            self.compiled.remove(0);
        }
        self.compiled.push((key, matcher));
        Ok(constraint)
    }

    /// Gives up the compiled grammars: one of them is used up.
    pub(crate) fn forget(&mut self) {
        self.compiled.clear();
    }

    fn compile(&mut self, grammar: TopLevelGrammar) -> Result<Matcher, ModelError> {
        let mut matcher = Matcher::new(self.prepare()?.create_parser(grammar));
        // What cannot be satisfied shows when the first token is asked for.
        let first = matcher.compute_mask().map_err(|e| e.to_string());
        let refusal = matcher.get_error().or(first.err());
        refusal.map_or(Ok(matcher), |reason| {
            Err(ModelError::BadRequest(format!(
                "the JSON schema cannot be kept to: {}",
                told(&reason)
            )))
        })
    }
}

/// The engine's reason in one line, with the keyword where it does not say it.
fn told(reason: &str) -> String {
    let line: Vec<&str> = reason.split_whitespace().collect();
    let keyword = if reason.contains("regex") { "pattern: " } else { "" };
    format!("{keyword}{}", line.join(" ")).chars().take(REFUSAL_CHARS).collect()
}

fn failed(reason: &impl ToString) -> ModelError {
    ModelError::Engine { engine: "llama", reason: reason.to_string() }
}

fn factory(vocabulary: &dyn Vocabulary) -> Result<ParserFactory, String> {
    let tokens = || (0..).map(LlamaToken).take(vocabulary.size());
    let number = |token: LlamaToken| u32::try_from(token.0).unwrap_or(0);
    let words: Vec<Vec<u8>> = tokens().map(|token| word(vocabulary, token)).collect();
    let ends: Vec<u32> = tokens().filter(|&t| vocabulary.is_end(t)).map(number).collect();
    let &end = ends.first().ok_or("the model has no token that ends a reply")?;
    let size = u32::try_from(words.len()).map_err(|e| e.to_string())?;
    let trie = TokTrie::from(&TokRxInfo::new(size, end), &words).with_eos_tokens(&ends);
    let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let slices = llguidance::earley::SlicedBiasComputer::json_slices();
    let mut factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices)
        .map_err(|e| e.to_string())?;
    factory.quiet();
    let limits = factory.limits_mut();
    limits.max_lexer_states = LEXER_STATES;
    limits.verbose_errors = false;
    Ok(factory)
}

fn word(vocabulary: &dyn Vocabulary, token: LlamaToken) -> Vec<u8> {
    let piece = vocabulary.piece(token);
    if !piece.is_empty() {
        return piece;
    }
    let shown = vocabulary.shown(token);
    if shown.is_empty() { shown } else { [&[CONTROL_MARK], shown.as_slice()].concat() }
}

/// The grammar of one reply, and how far the reply is in it.
pub(crate) struct Constraint {
    matcher: Matcher,
    ends: Arc<dyn Vocabulary>,
    /// What may come next, where that is known.
    next: Option<Allowed>,
    is_asked_for_all: bool,
}

impl Constraint {
    /// Whether this token may come next: cheap, unlike [`allowed`](Self::allowed).
    pub(crate) fn allows(&mut self, token: LlamaToken) -> Result<bool, String> {
        let answer = if self.ends.is_end(token) {
            self.matcher.is_accepting()
        } else {
            let number = u32::try_from(token.0).unwrap_or(u32::MAX);
            self.matcher.validate_tokens(&[number]).map(|valid| valid == 1)
        };
        answer.map_err(|e| e.to_string())
    }

    /// All the tokens that may come next; at least one.
    pub(crate) fn allowed(&mut self) -> Result<Allowed, String> {
        self.is_asked_for_all = true;
        match self.next.take() {
            Some(allowed) => Ok(allowed),
            None => self.matcher.compute_mask_or_eos().map(Allowed).map_err(|e| e.to_string()),
        }
    }

    /// Finds out which those are, for when they are asked for.
    pub(crate) fn look_ahead(&mut self) {
        // What is wrong shows again when it is asked.
        self.next = self.matcher.compute_mask_or_eos().map(Allowed).ok();
    }

    /// Whether all tokens that may come next were asked for before the last one was chosen.
    pub(crate) fn is_asked_for_all(&self) -> bool {
        self.is_asked_for_all
    }

    /// Goes on by a token that is allowed.
    pub(crate) fn accept(&mut self, token: LlamaToken) -> Result<(), String> {
        self.next = None;
        if self.ends.is_end(token) || self.is_complete() {
            return Ok(());
        }
        let number = u32::try_from(token.0).unwrap_or(u32::MAX);
        self.matcher.consume_token(number).map_err(|e| e.to_string())
    }

    /// Goes on by tokens that were chosen before; false when they do not fit, and then no more fit.
    pub(crate) fn catch_up(&mut self, tokens: &[LlamaToken]) -> bool {
        tokens.iter().all(|&token| {
            !self.is_complete() && self.allows(token) == Ok(true) && self.accept(token).is_ok()
        })
    }

    /// Whether nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }
}

/// A set of tokens.
pub(crate) struct Allowed(SimpleVob);

impl Allowed {
    /// Whether a token is in it.
    pub(crate) fn contains(&self, token: i32) -> bool {
        u32::try_from(token).is_ok_and(|token| self.0.is_allowed(token))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::vocabulary::toy::Toy;

    fn grammars() -> Grammars {
        Grammars::new(Arc::new(Toy::bytes()))
    }

    /// How much of a text a rule lets pass, and whether the reply may end there.
    fn pass(rule: &Rule, text: &str) -> (usize, bool) {
        let mut constraint = grammars().begin(rule).unwrap();
        for (at, byte) in text.bytes().enumerate() {
            let token = LlamaToken(i32::from(byte));
            if constraint.is_complete() || !constraint.allows(token).unwrap() {
                return (at, false);
            }
            assert!(constraint.allowed().unwrap().contains(token.0));
            constraint.accept(token).unwrap();
        }
        (text.len(), constraint.is_complete() || constraint.allows(LlamaToken(0)).unwrap())
    }

    fn takes(schema: Value, text: &str) -> bool {
        pass(&Rule::Json(schema), text) == (text.len(), true)
    }

    fn refusal(schema: Value) -> String {
        let Err(error) = grammars().begin(&Rule::Json(schema)) else { panic!("it is taken") };
        assert!(matches!(error, ModelError::BadRequest(_)), "{error}");
        error.to_string()
    }

    #[test]
    fn only_json_of_the_schema_passes() {
        let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}},
            "required": ["age"], "additionalProperties": false});
        assert!(takes(schema.clone(), r#"{"age": 42}"#));
        assert!(takes(schema.clone(), "{\n  \"age\": 42\n}"));
        assert!(!takes(schema.clone(), r#"{"age": "42"}"#));
        assert!(!takes(schema, r#"{"age": 4"#));
    }

    #[test]
    fn an_object_is_any_object() {
        let object = json!({"type": "object"});
        assert!(takes(object.clone(), r#"{"a": [1, null, {"b": "c"}]}"#));
        assert!(!takes(object, "[1]"));
    }

    #[test]
    fn whitespace_has_an_end() {
        let schema = json!({"type": "array", "items": {"type": "integer"}});
        assert!(takes(schema.clone(), "[1, 2,\n        3]"));
        assert!(!takes(schema.clone(), "[1,    \n\n\n\n 2]"));
        assert!(pass(&Rule::Json(schema), &format!("[{}", " ".repeat(100))).0 < 40);
    }

    #[test]
    fn numbers_have_an_end() {
        let endless = "9".repeat(60);
        for kind in ["integer", "number"] {
            assert!(pass(&Rule::Json(json!({"type": kind})), &endless).0 < 20, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let cases = [
            (json!({"not": {"type": "string"}}), "not"),
            (json!({"type": "array", "uniqueItems": true}), "uniqueItems"),
            (json!({"type": "string", "format": "credit-card"}), "credit-card"),
            (json!({"type": "object", "minProperties": 2}), "minProperties"),
            (json!({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}), "oneOf"),
            (json!({"if": {}, "then": {"type": "string"}}), "if"),
            (json!({"$ref": "https://example.com/schema"}), "$ref"),
            (json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}}), "gone"),
            (json!({"type": "string", "pattern": "(?=a)b"}), "pattern"),
            (json!({"type": "integer", "minimum": 5, "maximum": 2}), "minimum"),
            (json!("text"), "schema"),
        ];
        for (schema, keyword) in cases {
            let said = refusal(schema.clone());
            assert!(said.contains(keyword), "{schema}: {said}");
        }
    }

    #[test]
    fn a_grammar_is_compiled_once_and_few_are_kept() {
        let mut grammars = grammars();
        for length in 0..KEPT_GRAMMARS + 9 {
            for _ in 0..2 {
                grammars
                    .begin(&Rule::Json(json!({"type": "string", "minLength": length})))
                    .unwrap();
            }
        }
        assert_eq!(grammars.compiled.len(), KEPT_GRAMMARS);
        grammars.forget();
        assert!(grammars.compiled.is_empty());
    }

    #[test]
    fn replies_of_one_grammar_go_their_own_ways() {
        let mut grammars = grammars();
        let rule = Rule::Json(json!({"enum": ["ab", "cd"]}));
        let mut first = grammars.begin(&rule).unwrap();
        let mut second = grammars.begin(&rule).unwrap();
        let tokens = |text: &str| text.bytes().map(|b| LlamaToken(b.into())).collect::<Vec<_>>();
        assert!(first.catch_up(&tokens("\"a")));
        assert!(second.catch_up(&tokens("\"cd\"")));
        assert!(first.catch_up(&tokens("b\"")));
        assert!(first.is_complete() && second.is_complete());
        assert!(!first.catch_up(&tokens("x")));
    }
}
