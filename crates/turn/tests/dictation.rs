//! Dictation told from speech that only contains a figure or a letter.

use proptest::prelude::*;
use trunkline_turn::dictation::is_dictating;

#[test]
fn numbers_names_and_addresses_under_way_are_dictation() {
    for text in [
        "five two six",
        "five two six.",
        "5 2 6",
        "5, 2, 6,",
        "It's five two six zero one eight",
        "1-0-0-0-1-9-0",
        "555-1234",
        "555 1234",
        "90210",
        "My number is",
        "My number is 5",
        "my phone number is five",
        "The card number is 4111 1111",
        "one zero zero zero one nine oh two one",
        "double five",
        "five five double",
        "J O H N",
        "J-O-H-N.",
        "It's spelled S M I",
        "My name is spelled",
        "the postcode is S W 1",
        "A as in apple",
        "B for Bravo",
        "my email is",
        "john dot",
        "john underscore",
        "john at example dot",
        "cinco dos seis",
        "cinq deux trois",
        "vier sieben neun",
        "mi número es",
    ] {
        assert!(is_dictating(text), "{text}");
    }
}

#[test]
fn figures_and_letters_in_ordinary_speech_are_not() {
    for text in [
        "",
        "...",
        "A table for two.",
        "Ten of clubs.",
        "I need two tickets.",
        "At 7:30.",
        "at seven thirty",
        "In 2019.",
        "It costs $45.50.",
        "It costs 300.",
        "The number is wrong.",
        "My number is on your list.",
        "I am.",
        "Plan B.",
        "What is it?",
        "Only platforms one and three are used.",
        "For the twentieth time that evening the two men shook hands.",
        "Please enter the conference pin number.",
        "I have a question about my account.",
        "Meet me at noon.",
    ] {
        assert!(!is_dictating(text), "{text}");
    }
}

#[test]
fn an_address_that_has_reached_its_end_is_complete() {
    for text in [
        "john@example.com",
        "My email is john@example.com.",
        "john at example dot com",
        "My email is john at example dot co dot uk.",
    ] {
        assert!(!is_dictating(text), "{text}");
    }
}

proptest! {
    #[test]
    fn three_spoken_digits_at_the_end_are_dictation_after_anything(
        before in "[a-z ]{0,30}",
        digits in prop::collection::vec(prop::sample::select(vec!["one", "five", "oh", "nine", "7"]), 3..8),
    ) {
        let text = format!("{before} {}", digits.join(" "));
        prop_assert!(is_dictating(&text));
    }

    #[test]
    fn any_text_has_an_answer(text in ".{0,60}") {
        prop_assert_eq!(is_dictating(&text), is_dictating(&text));
    }
}
