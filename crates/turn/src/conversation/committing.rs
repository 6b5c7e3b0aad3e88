//! Turns that a program at the caller's end says are over. They follow each other in the order in which
//! they were committed, whichever the recognizer answers first.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{Ask, Command, Conversation, Ear, Event, Refused, Taking, TurnId};

use super::deciding::LATE;

/// Less sound than this is no turn: the API's own limit on a commit.
const SHORTEST: Duration = Duration::from_millis(100);
/// Turns that may await their words. When full the next one is lost, and that is told.
const COMMITS: usize = 16;

/// Turns that await their words, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Commits(VecDeque<Commit>);

#[derive(Clone, Debug)]
struct Commit {
    ask: Ask,
    turn: TurnId,
    ended: Instant,
    /// When the words count as lost.
    late: Instant,
    words: Option<Result<String, String>>,
}

impl Commits {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first one that the recognizer has not answered about and will be given up next.
    fn next_late(&self) -> Option<&Commit> {
        self.0.iter().filter(|commit| commit.words.is_none()).min_by_key(|commit| commit.late)
    }
}

impl Conversation {
    /// The turn is over, says a program, after `heard` of sound since it last did.
    pub(super) fn turn_committed(&mut self, heard: Duration) {
        let is_something = match self.config.taking {
            Taking::Manual => self.floor.answered.is_some() && heard >= SHORTEST,
            Taking::Automatic { .. } => self.floor.turn.is_some(),
        };
        if !is_something {
            return self.refuse(None, Refused::NothingHeard);
        }
        let now = self.now();
        let turn = self.floor.turn.take();
        let ended = turn.as_ref().and_then(|turn| turn.voice.silent_since).unwrap_or(now);
        if let Some(turn) = &turn {
            self.report_silence(turn);
            self.drop_prepared();
            self.go_on_replying();
        }
        if self.commits.0.len() >= COMMITS {
            self.order(Command::Listen(Ear::Shut));
            self.tell(Event::TurnFailed { reason: "too many turns await their words".to_owned() });
        } else {
            let named = turn.and_then(|turn| turn.id);
            let turn = named.unwrap_or_else(|| self.begin_committed_turn());
            let ask = self.counts.next_ask();
            self.order(Command::CommitWords(ask));
            // Sound given faster than it was spoken is recognized after it was committed.
            let late = now + self.config.limits.recognizer + heard;
            self.commits.0.push_back(Commit { ask, turn, ended, late, words: None });
        }
        if self.config.taking == Taking::Manual {
            self.order(Command::Listen(Ear::Next));
        }
    }

    /// What was heard of the turn is thrown away.
    pub(super) fn turn_cleared(&mut self) {
        if self.floor.answered.is_none() {
            return;
        }
        if self.config.taking == Taking::Manual {
            self.order(Command::Listen(Ear::Shut));
            self.order(Command::Listen(Ear::Next));
        } else {
            self.forget_turn();
            self.go_on_replying();
        }
    }

    /// The words of a committed turn are known or lost.
    pub(super) fn commit_known(&mut self, ask: Ask, words: Result<String, String>) {
        let waiting = |commit: &&mut Commit| commit.ask == ask && commit.words.is_none();
        let Some(commit) = self.commits.0.iter_mut().find(waiting) else { return };
        commit.words = Some(words);
        while let Some(commit) = self.commits.0.pop_front_if(|commit| commit.words.is_some()) {
            let speech_ended = self.clock.real(commit.ended);
            match commit.words {
                Some(Ok(text)) => {
                    let (turn, text) = (commit.turn, text.trim().to_owned());
                    self.tell(Event::TurnEnded { turn, text, speech_ended });
                    self.caller_spoke();
                }
                Some(Err(reason)) => self.tell(Event::TurnFailed { reason }),
                None => {}
            }
        }
        if self.commits.is_empty() {
            self.floor.quiet_since = Some(self.now());
            self.say_next_if_clear();
            self.prepare_reply();
        }
    }

    pub(super) fn commit_late_at(&self) -> Option<Instant> {
        self.commits.next_late().map(|commit| commit.late)
    }

    /// Gives up the words that are awaited: what comes after them cannot wait.
    pub(super) fn commits_late(&mut self) {
        while !self.commits.is_empty() {
            self.commit_late();
        }
    }

    pub(super) fn commit_late(&mut self) {
        if let Some(ask) = self.commits.next_late().map(|commit| commit.ask) {
            self.commit_known(ask, Err(LATE.to_owned()));
        }
    }

    /// Somebody else is to end turns than before.
    pub(super) fn take_turns_anew(&mut self, before: Taking) {
        self.forget_turn();
        self.go_on_replying();
        if before == Taking::Manual {
            self.order(Command::Listen(Ear::Shut));
        }
        if self.config.taking == Taking::Manual {
            self.order(Command::Listen(Ear::Next));
        }
    }

    fn begin_committed_turn(&mut self) -> TurnId {
        let turn = self.counts.next_turn();
        self.tell(Event::TurnStarted { turn });
        turn
    }
}
