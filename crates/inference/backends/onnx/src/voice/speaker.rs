//! One reply on its way out: the clause that is being said, and the pieces nobody has taken yet.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{
    Audience, Clause, ClauseStream, ModelError, Party, SpeechPiece, Voice,
    schedule::{Claim, Promise, Promises},
};

use super::{SPOKEN_HZ, parts::parts, timing::align};

/// Samples of a frame: 20 ms.
const FRAME: usize = SPOKEN_HZ as usize / 50;
/// Pieces made and not yet handed over; with more, the speaker rests. One part may stand above it.
const UNSPOKEN_PIECES: usize = 50;
/// How late a reply may begin where others would run dry: a gap is worse than a start that hardly anyone
/// hears to be later.
const START: Duration = Duration::from_millis(200);

/// One reply.
pub(super) struct Speaker {
    clauses: ClauseStream,
    voice: Voice,
    saying: Option<Saying>,
    /// What follows it, once that is known: the next clause, a failure, or nothing.
    next: Poll<Option<Result<Clause, ModelError>>>,
    ending: Option<Result<(), ModelError>>,
    /// Samples short of a frame.
    rest: Vec<i16>,
    pieces: VecDeque<SpeechPiece>,
    /// Where the next frame stands in the reply.
    at: MediaTime,
    /// When the listener runs dry; before anything was said, when it should be.
    dry_at: Instant,
    party: Party,
    /// How much was said of which its tenant was not told yet.
    said: Duration,
}

struct Saying {
    clause: Clause,
    parts: VecDeque<String>,
    began: MediaTime,
    /// Where the part that is being said began.
    part_began: MediaTime,
    words: Vec<(String, Duration)>,
}

impl Speaker {
    /// A reply, asked for at `now`, of which nothing is known yet.
    pub(super) fn new(clauses: ClauseStream, voice: Voice, now: Instant) -> Self {
        let speed = if voice.speed.is_finite() { voice.speed.clamp(0.25, 4.0) } else { 1.0 };
        Self {
            clauses,
            voice: Voice { speed, ..voice },
            saying: None,
            next: Poll::Pending,
            ending: None,
            rest: Vec::with_capacity(FRAME),
            pieces: VecDeque::new(),
            at: MediaTime::ZERO,
            dry_at: now + START,
            party: Party::default(),
            said: Duration::ZERO,
        }
    }

    /// The same, spoken to somebody else.
    pub(super) fn to(self, party: Party) -> Self {
        Self { party, ..self }
    }

    /// Whether somebody waits for what it says.
    pub(super) fn has_listener(&self) -> bool {
        self.party.audience != Audience::Nobody
    }

    /// How much sound was made since this was asked last.
    pub(super) fn take_said(&mut self) -> Duration {
        mem::take(&mut self.said)
    }

    /// The voice to say it with.
    pub(super) fn voice(&self) -> &Voice {
        &self.voice
    }

    /// Takes the next clause if there is one, and begins with it when the last has been said.
    pub(super) fn listen(&mut self, now: Instant, waker: &mut Context<'_>) {
        while self.ending.is_none() && self.pieces.len() < UNSPOKEN_PIECES {
            if self.next.is_pending() && self.wants_more() {
                self.next = self.clauses.as_mut().poll_next(waker);
            }
            if self.saying.is_some() {
                return;
            }
            match mem::replace(&mut self.next, Poll::Pending) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(clause))) => self.begin_clause(clause, now),
                Poll::Ready(Some(Err(error))) => self.failed(error),
                Poll::Ready(None) => self.ending = Some(Ok(())),
            }
        }
    }

    /// Whether it is time to ask for the next clause. Not before the first sound of the first, unless that will be
    /// over soon: who makes the clauses may need the same processors, and rests while it is not asked.
    fn wants_more(&self) -> bool {
        self.at > MediaTime::ZERO
            || self.saying.as_ref().is_none_or(|saying| saying.clause.is_short())
    }

    /// By when the next part must be said, if there is one to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let resting = self.pieces.len() >= UNSPOKEN_PIECES;
        (self.saying.is_some() && !resting).then_some(self.dry_at)
    }

    /// For whom the next part is said: a first clause is due before the caller notices, what follows
    /// before the caller has heard all there is.
    pub(super) fn claim(&self) -> Claim {
        let promise =
            if self.at > MediaTime::ZERO { Promise::NextClause } else { Promise::FirstClause };
        self.party.claim(Promises::default().due(promise, self.dry_at))
    }

    /// How many letters and marks the part to say next has.
    pub(super) fn next_len(&self) -> Option<usize> {
        Some(self.saying.as_ref()?.parts.front()?.chars().count())
    }

    /// The part to say next.
    pub(super) fn next_part(&mut self) -> Option<String> {
        self.saying.as_mut()?.parts.pop_front()
    }

    /// Takes samples of the part that is being said.
    pub(super) fn heard(&mut self, samples: &[i16], now: Instant) {
        let mut samples = samples;
        let before = self.at;
        while !samples.is_empty() {
            let (part, left) = samples.split_at(samples.len().min(FRAME - self.rest.len()));
            self.rest.extend_from_slice(part);
            samples = left;
            if self.rest.len() == FRAME {
                self.end_frame();
            }
        }
        let said = self.at.since(before).to_duration();
        self.said += said;
        let dry_at = if before == MediaTime::ZERO { now } else { self.dry_at.max(now) };
        if !said.is_zero() {
            self.dry_at = dry_at + said;
        }
    }

    /// Ends the part that is being said; its words end so long after it began.
    pub(super) fn end_part(&mut self, words: Vec<(String, Duration)>) {
        if !self.rest.is_empty() {
            self.rest.resize(FRAME, 0);
            self.end_frame();
        }
        let Some(saying) = &mut self.saying else { return };
        let offset = saying.part_began.since(saying.began).to_duration();
        saying.words.extend(words.into_iter().map(|(word, end)| (word, offset + end)));
        saying.part_began = self.at;
        self.end_clause();
    }

    fn end_frame(&mut self) {
        let frame = Frame::new(self.rest.as_slice(), SPOKEN_HZ, self.at);
        self.at = frame.end();
        self.pieces.push_back(SpeechPiece::Audio(frame));
        self.rest.clear();
    }

    /// Ends the reply with a failure, after what has been said.
    pub(super) fn failed(&mut self, error: ModelError) {
        self.saying = None;
        self.ending = Some(Err(error));
    }

    /// The next piece to hand over; none when the reply has ended.
    pub(super) fn take(&mut self) -> Poll<Option<Result<SpeechPiece, ModelError>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match self.ending.clone() {
            None => Poll::Pending,
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
        }
    }

    fn begin_clause(&mut self, clause: Clause, now: Instant) {
        let parts = parts(&clause.speakable).into();
        self.dry_at = self.dry_at.max(now);
        self.saying =
            Some(Saying { clause, parts, began: self.at, part_began: self.at, words: Vec::new() });
        self.end_clause();
    }

    /// Closes the clause when no part of it is left.
    fn end_clause(&mut self) {
        let Some(saying) = self.saying.take_if(|saying| saying.parts.is_empty()) else { return };
        let words = align(&saying.clause.text, &saying.words);
        let duration = self.at.since(saying.began).to_duration();
        self.pieces.push_back(SpeechPiece::ClauseEnd { clause: saying.clause, duration, words });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Waker,
    };

    use futures::{StreamExt, stream};

    use super::*;

    fn speaker(texts: &[&str]) -> Speaker {
        let clause = |text: &&str| Ok(Clause { text: (*text).into(), speakable: (*text).into() });
        let clauses: Vec<_> = texts.iter().map(clause).collect();
        let mut speaker =
            Speaker::new(Box::pin(stream::iter(clauses)), Voice::default(), Instant::now());
        speaker.listen(Instant::now(), &mut Context::from_waker(Waker::noop()));
        speaker
    }

    /// A speaker of clauses, and what makes it listen and says how many were asked of it.
    fn asking(texts: [&'static str; 3]) -> (Speaker, impl Fn(&mut Speaker) -> usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let clause = |text: &str| Ok(Clause { text: text.into(), speakable: text.into() });
        let clauses = stream::iter(texts.map(clause)).inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let speaker = Speaker::new(Box::pin(clauses), Voice::default(), Instant::now());
        let listen = move |speaker: &mut Speaker| {
            speaker.listen(Instant::now(), &mut Context::from_waker(Waker::noop()));
            asked.load(Ordering::Relaxed)
        };
        (speaker, listen)
    }

    #[test]
    fn the_second_clause_is_asked_for_when_the_first_begins_to_sound() {
        let (mut speaker, listen) = asking(["one after the other", "two", "three"]);
        assert_eq!(listen(&mut speaker), 1);
        assert_eq!(speaker.next_part().as_deref(), Some("one after the other"));
        assert_eq!(listen(&mut speaker), 1, "nothing sounds yet");
        speaker.heard(&[1; FRAME], Instant::now());
        assert_eq!(listen(&mut speaker), 2);
        assert_eq!(listen(&mut speaker), 2, "one ahead is enough");
        speaker.end_part(Vec::new());
        assert_eq!(listen(&mut speaker), 3, "the second is begun");
        assert_eq!(speaker.next_part().as_deref(), Some("two"));
    }

    #[test]
    fn what_follows_a_short_first_clause_is_asked_for_at_once() {
        let (mut speaker, listen) = asking(["Sure.", "two", "three"]);
        listen(&mut speaker);
        assert_eq!(listen(&mut speaker), 2);
        assert_eq!(listen(&mut speaker), 2, "one ahead is enough");
    }

    fn frames(speaker: &mut Speaker) -> usize {
        let mut frames = 0;
        while let Poll::Ready(Some(Ok(SpeechPiece::Audio(_)))) = speaker.take() {
            frames += 1;
        }
        frames
    }

    #[test]
    fn frames_are_whole_and_the_last_of_a_part_is_filled_with_silence() {
        let mut speaker = speaker(&["one two"]);
        assert_eq!(speaker.next_part().as_deref(), Some("one two"));
        speaker.heard(&[1; FRAME + 100], Instant::now());
        assert_eq!(frames(&mut speaker), 1);
        speaker.heard(&[1; FRAME], Instant::now());
        assert_eq!(frames(&mut speaker), 1);
        speaker.end_part(Vec::new());
        let Poll::Ready(Some(Ok(SpeechPiece::Audio(last)))) = speaker.take() else { panic!() };
        assert_eq!((last.samples().len(), last.samples()[99], last.samples()[100]), (FRAME, 1, 0));
        assert_eq!(last.at(), MediaTime::from_ms(40));
    }

    #[test]
    fn who_has_nothing_to_play_is_served_before_who_has() {
        let (mut ahead, behind) = (speaker(&["one"]), speaker(&["two"]));
        ahead.heard(&[1; FRAME * 15], Instant::now());
        assert!(ahead.deadline() > behind.deadline());
    }

    #[test]
    fn who_is_about_to_run_dry_is_served_before_who_has_heard_nothing() {
        let (mut playing, fresh) = (speaker(&["one"]), speaker(&["two"]));
        playing.heard(&[1; FRAME * 5], Instant::now());
        assert!(playing.deadline() < fresh.deadline());
    }

    #[test]
    fn a_speaker_far_ahead_of_its_listener_rests() {
        let mut speaker = speaker(&["one"]);
        speaker.heard(&vec![1; FRAME * UNSPOKEN_PIECES], Instant::now());
        assert_eq!(speaker.deadline(), None);
        frames(&mut speaker);
        assert!(speaker.deadline().is_some());
    }

    #[test]
    fn words_of_later_parts_come_after_the_earlier_parts() {
        let mut speaker = speaker(&["Yes. No."]);
        for word in ["Yes.", "No."] {
            assert_eq!(speaker.next_part().as_deref(), Some(word));
            speaker.heard(&[1; FRAME * 5], Instant::now());
            speaker.end_part(vec![(word.into(), Duration::from_millis(80))]);
        }
        let mut words = Vec::new();
        while let Poll::Ready(Some(Ok(piece))) = speaker.take() {
            if let SpeechPiece::ClauseEnd { words: ends, .. } = piece {
                words = ends.into_iter().map(|word| word.end.as_millis()).collect();
            }
        }
        assert_eq!(words, [80, 180]);
    }

    #[test]
    fn speeds_beyond_reason_are_brought_within() {
        for (asked, given) in [(0.0, 0.25), (100.0, 4.0), (f32::NAN, 1.0), (1.5, 1.5)] {
            let voice = Voice { name: String::new(), speed: asked };
            let speaker = Speaker::new(Box::pin(stream::empty()), voice, Instant::now());
            assert_eq!(speaker.voice().speed, given);
        }
    }
}
