//! Speakable text: what a model wrote, put the way a voice should say it.

mod addresses;
mod clock;
mod markup;
mod money;
mod numbers;
mod quantities;
mod reader;
mod telephone;
mod units;
mod words;

use reader::Reader;

/// Writes `text` out for a voice.
///
/// Markdown, emoji and tags go in every language. In English (`None`, `en`, `en-GB` ...) numbers,
/// money, times, dates, telephone numbers, addresses, units and abbreviations become words as well;
/// other voices have their own rules for them. An empty result means that there is nothing to say.
pub fn speakable(text: &str, language: Option<&str>) -> String {
    let plain = markup::strip(text);
    if is_english(language) { tidy(&Reader::new(&plain).read()) } else { tidy(&plain) }
}

fn is_english(language: Option<&str>) -> bool {
    let Some(language) = language else { return true };
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    primary.is_empty() || primary.eq_ignore_ascii_case("en")
}

/// One space between words and none before punctuation; nothing at all where no word is left.
fn tidy(text: &str) -> String {
    if !text.contains(char::is_alphanumeric) {
        return String::new();
    }
    let mut tidied = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let is_punctuation = word.chars().all(|c| ".,;:!?…".contains(c));
        if !tidied.is_empty() && !is_punctuation {
            tidied.push(' ');
        }
        if !(is_punctuation && tidied.ends_with(['.', ',', ';', ':', '!', '?'])) {
            tidied.push_str(word);
        }
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str)]) {
        let wrong: Vec<String> = cases
            .iter()
            .map(|(text, expected)| (text, expected, speakable(text, None)))
            .filter(|(_, expected, spoken)| spoken != *expected)
            .map(|(text, expected, spoken)| format!("\n  {text}\n   is {spoken}\n  not {expected}"))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.concat());
    }

    #[test]
    fn plain_sentences_stay_as_they_are() {
        for text in [
            "Hello, how can I help you today?",
            "I'm sorry, that isn't available.",
            "She said \"maybe\" (twice); then left: why?",
            "A state-of-the-art, well-known place.",
        ] {
            assert_eq!(speakable(text, Some("en")), text);
        }
    }

    #[test]
    fn numbers_become_words() {
        check(&[
            ("We have 3 rooms.", "We have three rooms."),
            ("It holds 105 people.", "It holds one hundred five people."),
            (
                "About 1,234,567 users",
                "About one million two hundred thirty-four thousand five hundred sixty-seven users",
            ),
            ("Pi is 3.14.", "Pi is three point one four."),
            ("It is -5 outside", "It is minus five outside"),
            (
                "Your 21st visit, my 2nd, his 103rd",
                "Your twenty-first visit, my second, his one hundred third",
            ),
            ("The 12th and 20th", "The twelfth and twentieth"),
            ("Take 5-10 of them", "Take five to ten of them"),
            ("a 20-minute walk", "a twenty-minute walk"),
            ("1/2 cup, 3/4 full, 2/3 done", "one half cup, three quarters full, two thirds done"),
            ("open 24/7", "open twenty-four seven"),
            ("agent 007", "agent zero zero seven"),
            ("You are #5 in line", "You are number five in line"),
            ("~50 guests", "about fifty guests"),
            ("0 left, 0.5 to go", "zero left, zero point five to go"),
            ("5 * 3 = 15", "five times three equals fifteen"),
            ("2 + 2", "two plus two"),
            ("1. First", "one. First"),
            ("rated 4.5/5", "rated four point five out of five"),
        ]);
    }

    #[test]
    fn years_are_read_in_pairs() {
        check(&[
            ("founded in 1998", "founded in nineteen ninety-eight"),
            ("since 2005", "since two thousand five"),
            ("by 2024.", "by twenty twenty-four."),
            ("in 1905 and 1900", "in nineteen oh five and nineteen hundred"),
            ("the 1990s and 80s", "the nineteen nineties and eighties"),
            ("2019-2023", "twenty nineteen to twenty twenty-three"),
            ("3000 people", "three thousand people"),
            ("2000 people", "two thousand people"),
        ]);
    }

    #[test]
    fn dates_are_read_as_dates() {
        check(&[
            ("on March 15, 2025", "on March fifteenth, twenty twenty-five"),
            ("Jan. 5 or Sept. 30", "January fifth or September thirtieth"),
            ("on 2025-03-01.", "on March first, twenty twenty-five."),
            ("on 12/31/2024", "on December thirty-first, twenty twenty-four"),
            ("Mon-Fri", "Monday to Friday"),
            ("May 2 works", "May second works"),
        ]);
    }

    #[test]
    fn times_are_read_as_times() {
        check(&[
            ("at 10:30", "at ten thirty"),
            ("at 10:00.", "at ten o'clock."),
            ("at 10:05 a.m. tomorrow", "at ten oh five A M tomorrow"),
            ("at 5pm", "at five P M"),
            ("at 5 PM.", "at five P M."),
            ("from 9:00 AM to 5:30 p.m.", "from nine A M to five thirty P M."),
            ("until 14:45", "until fourteen forty-five"),
            ("9am-5pm", "nine A M to five P M"),
            ("9:30-11:00", "nine thirty to eleven o'clock"),
            ("7:30pm, please", "seven thirty P M, please"),
        ]);
    }

    #[test]
    fn money_is_spoken_in_its_units() {
        check(&[
            ("$45.50", "forty-five dollars and fifty cents"),
            ("It's $1.", "It's one dollar."),
            ("$0.99!", "ninety-nine cents!"),
            ("$1.01", "one dollar and one cent"),
            ("$1,299.00 total", "one thousand two hundred ninety-nine dollars total"),
            ("€20", "twenty euros"),
            ("20 €", "twenty euros"),
            ("20€ and 1 EUR", "twenty euros and one euro"),
            ("£3.20", "three pounds and twenty pence"),
            ("100 GBP", "one hundred pounds"),
            ("49.99 USD", "forty-nine dollars and ninety-nine cents"),
            ("$3.5 million", "three point five million dollars"),
            ("$5k", "five thousand dollars"),
            ("$20/month", "twenty dollars per month"),
            ("$10-$20", "ten dollars to twenty dollars"),
            ("$10-20", "ten to twenty dollars"),
            ("-$5", "minus five dollars"),
            ("¥500", "five hundred yen"),
            ("USD 45.00, EUR 1", "forty-five dollars, one euro"),
        ]);
    }

    #[test]
    fn telephone_and_account_numbers_are_read_digit_by_digit() {
        check(&[
            ("Call 555-0123.", "Call five five five, zero one two three."),
            (
                "Call (415) 555-0123 now",
                "Call four one five, five five five, zero one two three now",
            ),
            ("+1 415 555 0123", "plus one, four one five, five five five, zero one two three"),
            ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
            ("+441632960123", "plus four four one six three two nine six zero one two three"),
            ("415.555.0123", "four one five, five five five, zero one two three"),
            ("Order 12345678", "Order one two three four five six seven eight"),
            ("Your code is 4821", "Your code is four eight two one"),
            ("confirmation number 90210", "confirmation number nine zero two one zero"),
            ("ext. 42", "extension four two"),
        ]);
    }

    #[test]
    fn percentages_and_units_are_spelled_out() {
        check(&[
            ("45%", "forty-five percent"),
            ("3.5 % more", "three point five percent more"),
            ("5 km away", "five kilometers away"),
            ("1 km", "one kilometer"),
            ("10kg", "ten kilograms"),
            ("72°F or 22 °C", "seventy-two degrees Fahrenheit or twenty-two degrees Celsius"),
            ("100 km/h", "one hundred kilometers per hour"),
            ("60 mph", "sixty miles per hour"),
            ("16GB", "sixteen gigabytes"),
            ("30 min.", "thirty minutes."),
            ("6 ft tall", "six feet tall"),
            ("500 sq ft", "five hundred square feet"),
            ("5-10 km", "five to ten kilometers"),
            ("10-15%", "ten to fifteen percent"),
            ("1.5x faster", "one point five times faster"),
        ]);
    }

    #[test]
    fn abbreviations_are_written_out() {
        check(&[
            ("Dr. Smith and Mrs. Jones", "Doctor Smith and Missus Jones"),
            ("St. Mary's on 5 Main St.", "Saint Mary's on five Main Street."),
            ("12 Oak Dr. is near", "twelve Oak Drive is near"),
            ("221B Baker St., London", "two two one B Baker Street, London"),
            ("Dr. No, St. Patrick's Day", "Doctor No, Saint Patrick's Day"),
            ("e.g., tea", "for example, tea"),
            ("tea, coffee, etc.", "tea, coffee, et cetera."),
            ("i.e. now", "that is now"),
            ("cats vs. dogs", "cats versus dogs"),
            ("approx. 5", "approximately five"),
            ("No. 7", "number seven"),
            ("No. I won't.", "No. I won't."),
            ("Acme Inc. called", "Acme Incorporated called"),
            ("Smith & Sons", "Smith and Sons"),
            ("and/or", "and or"),
            ("read/write", "read slash write"),
            ("coffee w/ milk, w/o sugar", "coffee with milk, without sugar"),
            ("5th Ave.", "fifth Avenue."),
            ("Mr. Lee", "Mister Lee"),
        ]);
    }

    #[test]
    fn addresses_are_spelled() {
        check(&[
            ("Write to john@example.com.", "Write to john at example dot com."),
            (
                "jane.doe-x_1@mail.example.co.uk",
                "jane dot doe dash x underscore one at mail dot example dot co dot uk",
            ),
            ("See https://www.example.com/help/", "See example dot com slash help"),
            ("See example.org, please", "See example dot org, please"),
            ("www.my-shop.io", "my dash shop dot io"),
            ("(info@trunk.dev)", "(info at trunk dot dev)"),
        ]);
    }

    #[test]
    fn words_with_digits_are_taken_apart() {
        check(&[
            ("COVID-19", "COVID nineteen"),
            ("an MP3 in 3D", "an MP three in three D"),
            ("Room 12B", "Room twelve B"),
            ("gate A4.", "gate A four."),
            ("flight BA2490", "flight BA two four nine zero"),
            ("snake_case", "snake case"),
        ]);
    }

    #[test]
    fn markdown_is_not_read_aloud() {
        check(&[
            ("**Yes**, *really* and `code`.", "Yes, really and code."),
            ("# Opening hours\nWe are open.", "Opening hours. We are open."),
            ("- one bed\n- two beds\n* a sofa", "one bed. two beds. a sofa."),
            ("See [our menu](https://example.com/menu?x=1).", "See our menu."),
            ("![A cat](cat.png) sits", "A cat sits"),
            ("__bold__ and ~~gone~~", "bold and gone"),
            ("> quoted", "quoted"),
            ("---\nAfter", "After"),
            ("```rust\nlet x\n```", "let x"),
            ("a<br>b <b>c</b>", "a b c"),
            ("**Room:** 12", "Room: twelve"),
        ]);
    }

    #[test]
    fn emoji_are_dropped() {
        check(&[
            ("Great! 😀👍🏽", "Great!"),
            ("Hi 👨‍👩‍👧 there 🇩🇪.", "Hi there."),
            ("⭐ Special ✨ offer ™", "Special offer"),
            ("😀", ""),
            ("***", ""),
            ("", ""),
            ("...", ""),
        ]);
    }

    #[test]
    fn other_languages_only_lose_their_markup() {
        let text = "**Guten Tag** 😀, das kostet 45,50 € um 10:30 Uhr.";
        assert_eq!(speakable(text, Some("de")), "Guten Tag, das kostet 45,50 € um 10:30 Uhr.");
        assert_eq!(speakable("le 5", Some("fr-FR")), "le 5");
        assert_eq!(speakable("at 5", Some("en-GB")), "at five");
        assert_eq!(speakable("at 5", Some("")), "at five");
    }

    #[test]
    fn nothing_in_the_ascii_table_or_beyond_breaks_it() {
        let pieces = [
            "$",
            "1",
            ".",
            ",",
            "-",
            "/",
            ":",
            "@",
            "%",
            "#",
            "a",
            "é",
            "€",
            "+",
            "(",
            ")",
            " ",
            "°",
            "*",
            "_",
            "[",
            "]",
            "<",
            "99999999999999999999999",
        ];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    for d in ["", "1", "."] {
                        let text = [a, b, c, d].concat();
                        assert!(speakable(&text, None).len() < 2_000, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_digit_is_left_in_english() {
        for text in
            ["x1y2", "1:2:3:4", "$1.2.3", "1,2", "٣", "5'11\"", "1e9", "12/13/14", "#1/2", "99:99"]
        {
            let spoken = speakable(text, None);
            assert!(!spoken.contains(|c: char| c.is_ascii_digit()), "{text} is {spoken}");
        }
    }

    #[test]
    fn what_a_receptionist_says_is_read_as_a_person_would() {
        check(&[
            (
                "We're open Mon-Fri, 9am-5pm, and Sat. 10:00-14:00.",
                "We're open Monday to Friday, nine A M to five P M, and Saturday ten o'clock to \
                 fourteen hundred.",
            ),
            (
                "Your table for 4 is booked on June 3rd at 7:30 PM.",
                "Your table for four is booked on June third at seven thirty P M.",
            ),
            (
                "That's 2 nights at $129 each: $258 in total.",
                "That's two nights at one hundred twenty-nine dollars each: two hundred fifty-eight \
                 dollars in total.",
            ),
            (
                "Reach us at 555-0142 or desk@hotel.example.",
                "Reach us at five five five, zero one four two or desk at hotel dot example.",
            ),
            ("Breakfast is 15% off!", "Breakfast is fifteen percent off!"),
            (
                "It's about 2 km, or 20 min. on foot.",
                "It's about two kilometers, or twenty minutes on foot.",
            ),
        ]);
    }
}
