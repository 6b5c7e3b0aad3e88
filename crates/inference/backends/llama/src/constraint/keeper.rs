//! Grammars at work on a thread of their own: they are compiled while the prompt is read, and what may come
//! next is found out while the model evaluates the token before.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
};

use llama_cpp_2::token::LlamaToken;
use serde_json::json;
use trunkline_inference::ModelError;

use super::{CallRules, Constraint, Grammars, Rule, failed};
use crate::vocabulary::Vocabulary;

/// Orders that wait. Each reply has one at most, and whoever gives one more waits.
const WAITING_ORDERS: usize = 256;

/// The thread. It ends with the last order after this is gone.
pub(crate) struct Keeper {
    orders: SyncSender<Order>,
    vocabulary: Arc<dyn Vocabulary>,
}

enum Order {
    /// Begins a reply by a rule.
    Begin(Rule, SyncSender<Answer>),
    /// Goes on with calls that the model has begun with these tokens.
    Continue(CallRules, Vec<LlamaToken>, SyncSender<Answer>),
    /// Finds out what may come next.
    LookAhead(Box<Constraint>, SyncSender<Answer>),
    /// Gives up the compiled grammars.
    Forget,
}

/// The reply's grammar; none when what the model has begun is not to be constrained.
type Answer = Result<Option<Box<Constraint>>, ModelError>;

impl Keeper {
    /// Starts the thread, with the priority of the one that calls. Its first work is to arrange the vocabulary.
    pub(crate) fn start(vocabulary: Arc<dyn Vocabulary>) -> Result<Self, ModelError> {
        let (orders, ordered) = sync_channel(WAITING_ORDERS);
        let mut grammars = Grammars::new(Arc::clone(&vocabulary));
        let work = move || {
            // What is wrong is told to the first reply that has a rule.
            drop(grammars.prepare().map(|_| ()));
            while let Ok(order) = ordered.recv() {
                carry_out(order, &mut grammars);
            }
        };
        thread::Builder::new().name("grammars".into()).spawn(work).map_err(|e| failed(&e))?;
        Ok(Self { orders, vocabulary })
    }

    /// The tokens that grammars are made of.
    pub(crate) fn vocabulary(&self) -> &dyn Vocabulary {
        self.vocabulary.as_ref()
    }

    /// Begins a reply by a rule.
    pub(crate) fn begin(&self, rule: Rule) -> Rein {
        self.give(|answer| Order::Begin(rule, answer))
    }

    /// The grammar of calls, gone on to where the model is; none when it writes them otherwise. Functions whose
    /// parameters no grammar can keep to take any object.
    pub(crate) fn continue_calls(&self, rules: CallRules, begun: &[LlamaToken]) -> Rein {
        self.give(|answer| Order::Continue(rules, begun.to_vec(), answer))
    }

    /// Gives up the compiled grammars: one of them is used up.
    pub(crate) fn forget(&self) {
        // A thread that has ended has none.
        drop(self.orders.send(Order::Forget));
    }

    fn give(&self, order: impl FnOnce(SyncSender<Answer>) -> Order) -> Rein {
        let (answer, answered) = sync_channel(1);
        // Where the thread has ended the answer is that its channel is gone.
        drop(self.orders.send(order(answer)));
        Rein(State::Away(answered))
    }
}

fn carry_out(order: Order, grammars: &mut Grammars) {
    let (answer, to) = match order {
        Order::Begin(rule, to) => (grammars.begin(&rule).map(|begun| Some(Box::new(begun))), to),
        Order::Continue(rules, begun, to) => (Ok(continue_calls(rules, &begun, grammars)), to),
        Order::LookAhead(constraint, to) => (Ok(Some(constraint)), to),
        Order::Forget => return grammars.forget(),
    };
    let answer = answer.map(|constraint| {
        constraint.map(|mut constraint| {
            constraint.look_ahead();
            constraint
        })
    });
    // A reply that is gone needs no answer.
    drop(to.send(answer));
}

fn continue_calls(
    mut rules: CallRules,
    begun: &[LlamaToken],
    grammars: &mut Grammars,
) -> Option<Box<Constraint>> {
    let constraint = grammars.begin(&Rule::Calls(rules.clone())).or_else(|refusal| {
        tracing::debug!(%refusal, "a call is only kept to be an object");
        for tool in &mut rules.tools {
            tool.parameters = json!({"type": "object"});
        }
        grammars.begin(&Rule::Calls(rules))
    });
    let mut constraint = Box::new(constraint.ok()?);
    constraint.catch_up(begun).then_some(constraint)
}

/// What keeps a reply to its grammar, if it has one.
pub(crate) struct Rein(State);

enum State {
    Away(Receiver<Answer>),
    Here(Option<Box<Constraint>>),
}

impl Rein {
    /// None at all.
    pub(crate) fn none() -> Self {
        Self(State::Here(None))
    }

    /// Takes the answer if it is there. [`ModelError::BadRequest`] says what of a schema cannot be kept.
    pub(crate) fn poll(&mut self) -> Result<(), ModelError> {
        let State::Away(answered) = &self.0 else { return Ok(()) };
        let answer = match answered.try_recv() {
            Ok(answer) => answer?,
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err(ended()),
        };
        self.0 = State::Here(answer);
        Ok(())
    }

    /// The grammar, waited for if it is at work.
    pub(crate) fn constraint(&mut self) -> Result<Option<&mut Constraint>, ModelError> {
        if let State::Away(answered) = &self.0 {
            let answer = answered.recv().map_err(|_| ended())??;
            self.0 = State::Here(answer);
        }
        match &mut self.0 {
            State::Here(constraint) => Ok(constraint.as_deref_mut()),
            State::Away(_) => Err(ended()),
        }
    }

    /// Has it found out meanwhile what may come next, where that is likely to be asked.
    pub(crate) fn look_ahead(&mut self, keeper: &Keeper) {
        let State::Here(here) = &mut self.0 else { return };
        let Some(constraint) = here.take_if(|c| c.is_asked_for_all() && !c.is_complete()) else {
            return;
        };
        *self = keeper.give(|answer| Order::LookAhead(constraint, answer));
    }

    /// Whether nothing may follow.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.0 {
            State::Here(constraint) => constraint.as_deref().is_some_and(Constraint::is_complete),
            State::Away(_) => false,
        }
    }
}

fn ended() -> ModelError {
    ModelError::Stopped { engine: "llama" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::toy::Toy;

    fn keeper() -> Keeper {
        Keeper::start(Arc::new(Toy::bytes())).unwrap()
    }

    fn token(letter: u8) -> LlamaToken {
        LlamaToken(i32::from(letter))
    }

    #[test]
    fn a_reply_is_kept_to_its_rule_whether_its_grammar_looks_ahead_or_not() {
        let keeper = keeper();
        let mut rein = keeper.begin(Rule::Json(json!({"enum": ["ab", "cd"]})));
        for (letter, other) in [(b'"', b'x'), (b'c', b'b'), (b'd', b'b'), (b'"', b'a')] {
            let constraint = rein.constraint().unwrap().unwrap();
            let allowed = constraint.allowed().unwrap();
            assert!(allowed.contains(letter.into()) && !allowed.contains(other.into()));
            constraint.accept(token(letter)).unwrap();
            rein.look_ahead(&keeper);
        }
        assert!(rein.is_complete() && rein.constraint().unwrap().is_some());
    }

    #[test]
    fn a_rule_that_cannot_be_kept_is_told_as_soon_as_it_is_known() {
        let mut rein = keeper().begin(Rule::Json(json!({"type": "string", "pattern": "(?=a)b"})));
        let error = loop {
            match rein.poll() {
                Ok(()) => thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ModelError::BadRequest(_)), "{error}");
    }

    #[test]
    fn a_grammar_that_is_not_asked_for_all_stays() {
        let keeper = keeper();
        let mut rein = keeper.begin(Rule::Json(json!({"enum": ["ab", "cd"]})));
        let constraint = rein.constraint().unwrap().unwrap();
        assert_eq!(constraint.allows(token(b'"')), Ok(true));
        constraint.accept(token(b'"')).unwrap();
        rein.look_ahead(&keeper);
        assert!(matches!(rein.0, State::Here(Some(_))));
        assert!(Rein::none().constraint().unwrap().is_none());
    }
}
