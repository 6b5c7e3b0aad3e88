//! The evidence gate: what people say passes, what recognizers invent does not.

use std::time::Duration;

use proptest::prelude::*;
use trunkline_turn::{Evidence, GateConfig, IgnoreReason, judge};

/// A clear voice on a telephone.
fn good() -> Evidence {
    Evidence {
        voiced: Duration::from_millis(600),
        level_dbfs: -25.0,
        vad_mean: 0.92,
        no_speech: 0.03,
        avg_logprob: -0.35,
        compression_ratio: 1.0,
    }
}

/// What Whisper makes of noise that voice activity was half taken in by.
fn weak() -> Evidence {
    Evidence {
        voiced: Duration::from_millis(224),
        level_dbfs: -40.0,
        vad_mean: 0.66,
        no_speech: 0.5,
        avg_logprob: -0.9,
        compression_ratio: 0.8,
    }
}

fn check(evidence: Evidence, text: &str) -> Result<(), IgnoreReason> {
    judge(&evidence, text, &GateConfig::default())
}

#[test]
fn short_real_words_pass_on_good_evidence() {
    for text in [
        "Yes.",
        "No.",
        "Ten of clubs.",
        "Hello?",
        "Stop.",
        "Two.",
        "Okay.",
        "Bye.",
        "Thank you.",
        "You?",
        "Oh.",
        "So",
        "Sí.",
        "Oui.",
        "はい",
        "no no no",
        "no, no, no, no, no",
        "A",
        "7",
        "five five five zero zero zero one two three four",
        "J O H N",
        "one zero zero zero one nine oh two one oh zero one eight zero three",
    ] {
        assert_eq!(check(good(), text), Ok(()), "{text}");
    }
}

#[test]
fn text_without_words_is_none() {
    for text in [
        "",
        " ",
        "...",
        ".",
        "-",
        "[Music]",
        "(wind blowing)",
        "♪♪",
        "*coughs*",
        "[BLANK_AUDIO]",
        "♪ la la ♪",
    ] {
        assert_eq!(check(good(), text), Err(IgnoreReason::NoWords), "{text}");
    }
}

#[test]
fn what_is_said_beside_a_stage_direction_counts() {
    assert_eq!(check(good(), "(laughs) I would like a table."), Ok(()));
    assert_eq!(check(weak(), "(wind) Thank you."), Err(IgnoreReason::KnownHallucination));
}

#[test]
fn each_kind_of_missing_support_has_its_own_reason() {
    let cases = [
        (Evidence { voiced: Duration::from_millis(96), ..good() }, IgnoreReason::TooShort),
        (Evidence { level_dbfs: -58.0, ..good() }, IgnoreReason::TooQuiet),
        (Evidence { vad_mean: 0.55, ..good() }, IgnoreReason::UnsureVoice),
        (Evidence { no_speech: 0.8, avg_logprob: -0.9, ..good() }, IgnoreReason::NoSpeech),
        (Evidence { no_speech: 0.8, vad_mean: 0.7, ..good() }, IgnoreReason::NoSpeech),
        (Evidence { avg_logprob: -1.2, vad_mean: 0.7, ..good() }, IgnoreReason::LowConfidence),
        (Evidence { avg_logprob: -1.7, ..good() }, IgnoreReason::LowConfidence),
    ];
    for (evidence, reason) in cases {
        assert_eq!(check(evidence, "What time do you open?"), Err(reason));
    }
}

#[test]
fn a_strong_voice_outweighs_a_doubtful_decoder() {
    let noisy_line = Evidence { avg_logprob: -1.2, ..good() };
    assert_eq!(check(noisy_line, "I want to cancel my order"), Ok(()));
    let doubted = Evidence { no_speech: 0.8, ..good() };
    assert_eq!(check(doubted, "I want to cancel my order"), Ok(()));
}

#[test]
fn phrases_that_people_and_recognizers_share_need_strong_evidence() {
    for text in ["Thank you.", "you", "Bye.", "Thanks", "Oh", "Bye-bye.", "I'm sorry.", "Gracias."]
    {
        assert_eq!(check(good(), text), Ok(()), "{text}");
        assert_eq!(check(weak(), text), Err(IgnoreReason::KnownHallucination), "{text}");
    }
}

#[test]
fn phrases_of_subtitles_are_never_a_turn() {
    for text in [
        "Thanks for watching!",
        "Thank you for watching.",
        "Music",
        "Music Music Music",
        "Copyright 2019 WDR",
        "Subtitles by the Amara.org community",
        "Please subscribe.",
        "Sous-titres réalisés par la communauté",
        "Untertitel im Auftrag des ZDF",
        "applause",
        "Don't forget to subscribe to my channel",
        "Transcribed by otter.ai",
    ] {
        assert_eq!(check(good(), text), Err(IgnoreReason::KnownHallucination), "{text}");
    }
}

#[test]
fn a_decoder_caught_in_a_loop_is_told_from_a_person_who_insists() {
    for text in [
        "I'm going to go to go to go to go to go to go to go to go",
        "the the the the the the the",
        "okay okay okay okay okay okay okay okay",
    ] {
        assert_eq!(check(good(), text), Err(IgnoreReason::Repetitive), "{text}");
    }
    let repeating = Evidence { compression_ratio: 3.0, ..good() };
    assert_eq!(
        check(repeating, "we will see you next time we will see you next time soon"),
        Err(IgnoreReason::Repetitive)
    );
    assert_eq!(check(repeating, "zero zero zero zero zero zero zero zero"), Ok(()));
}

#[test]
fn a_recognizer_without_figures_is_judged_by_the_voice() {
    let voice_only = Evidence {
        voiced: Duration::from_millis(500),
        level_dbfs: -30.0,
        vad_mean: 0.85,
        ..Evidence::default()
    };
    assert_eq!(check(voice_only, "Hello there."), Ok(()));
    assert_eq!(check(Evidence::default(), "Hello there."), Err(IgnoreReason::TooShort));
}

proptest! {
    #[test]
    fn any_text_has_a_verdict(text in ".{0,80}") {
        let verdict = check(good(), &text);
        prop_assert_eq!(verdict, check(good(), &text));
    }

    #[test]
    fn more_support_never_turns_a_yes_into_a_no(
        text in "[a-z ]{1,30}", voiced in 0u64..1000, vad in 0.0f32..1.0, logprob in -2.0f32..0.0,
    ) {
        let less = Evidence {
            voiced: Duration::from_millis(voiced), vad_mean: vad, avg_logprob: logprob, ..good()
        };
        let more = Evidence {
            voiced: Duration::from_millis(voiced + 200),
            vad_mean: (vad + 0.1).min(1.0),
            avg_logprob: logprob + 0.2,
            ..good()
        };
        if check(less, &text).is_ok() {
            prop_assert_eq!(check(more, &text), Ok(()));
        }
    }
}
