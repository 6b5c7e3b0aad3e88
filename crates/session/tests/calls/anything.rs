//! Programs at the caller's end that order anything at any time: whatever happens, the call keeps its
//! promises and the news their order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use trunkline_inference::{Message, Role, Tool};
use trunkline_session::{Agent, Direction, ItemKey, Modality, ReplyOrder};
use trunkline_turn::{ReplyId, Taking, TurnId};

use crate::{
    any::Dice,
    stage::{Call, Played},
};

const SAID: [&str; 6] =
    ["What time do you open?", "I would like to", "No wait.", "Uh-huh.", "", "My number is five"];
const REPLIES: [&str; 6] = [
    "We open at nine.",
    "Of course, we are open on Sundays from ten to four, and there is a brunch. Shall I book?",
    "[look]",
    "One moment. [look] [listen]",
    "We open at !",
    "",
];
const CALLS: u64 = 150;

#[tokio::test(start_paused = true)]
async fn whatever_a_program_orders_the_call_ends_once_and_every_reply_is_told_to_its_end() {
    for seed in 1..=CALLS {
        let played = anything(seed).await;
        let told = format!("seed {seed}: {:#?} {:#?}", played.story(), played.news());
        assert_eq!(played.told("ended"), ["ended: caller_hung_up"], "{told}");
        assert_eq!(played.fakes.live(), 0, "{told}");
        assert_replies_begin_and_end(&played, &told);
        assert_speech_starts_and_stops(&played, &told);
    }
}

/// A call in which anything may be ordered, the same for the same seed.
async fn anything(seed: u64) -> Played {
    let mut dice = Dice(seed);
    let mut at = 300;
    let mut says = Vec::new();
    for _ in 0..dice.roll(8) {
        at += 200 + dice.roll(4000);
        let lasts = 80 + dice.roll(2000);
        says.push((at, lasts, dice.pick(&SAID)));
        at += lasts;
    }
    let replies: Vec<&str> = (0..=dice.roll(5)).map(|_| dice.pick(&REPLIES)).collect();
    let mut call = Call::directed(&says, &replies);
    if dice.roll(4) == 0 {
        let partials = call.fakes.stt.clone().with_partials_every(Duration::from_millis(300));
        call.fakes.stt = partials;
    }
    let first = agent(&mut dice, call.agent_now());
    let base = call.agent_now();
    let call = call.agent(|agent| *agent = first);
    let mut orders: Vec<(u64, Direction)> =
        (0..dice.roll(25)).map(|n| (dice.roll(25_000), direction(&mut dice, n, &base))).collect();
    orders.sort_by_key(|(at, _)| *at);
    call.orders(&orders, 30_000).play().await
}

fn agent(dice: &mut Dice, base: Agent) -> Agent {
    let mut agent = base;
    let takings = [
        Taking::default(),
        Taking::Automatic { replies: true, yields: false },
        Taking::Automatic { replies: false, yields: true },
        Taking::Manual,
    ];
    agent.turn.taking = dice.pick(&takings);
    agent.modality = dice.pick(&[Modality::Audio, Modality::Audio, Modality::Text]);
    agent.turn.silence.idle_after = dice.pick(&[None, Some(Duration::from_secs(5))]);
    let tool = Tool { name: "look".into(), description: String::new(), parameters: true.into() };
    agent.tools = vec![tool];
    agent
}

fn direction(dice: &mut Dice, n: u64, base: &Agent) -> Direction {
    let reply = ReplyId(1 + dice.pick(&[0, 1, 2, 3, 4, 5]));
    let order = ReplyOrder {
        tag: n,
        is_aside: dice.roll(4) == 0,
        modality: dice.pick(&[None, None, Some(Modality::Text)]),
        ..ReplyOrder::default()
    };
    match dice.roll(9) {
        0 => Direction::Become(Arc::new(agent(dice, base.clone()))),
        1 | 2 => Direction::CommitTurn,
        3 => Direction::ClearTurn,
        4 | 5 => Direction::Reply(Box::new(order)),
        6 => Direction::StopReply(Some(reply).filter(|_| dice.roll(2) == 0)),
        7 => {
            let after = dice.pick(&[None, Some(None), Some(Some(ItemKey::Turn(TurnId(1))))]);
            Direction::Insert { item: n, after, message: Message::new(Role::User, "put in") }
        }
        _ => {
            let heard = Duration::from_millis(dice.roll(4000));
            dice.pick(&[
                Direction::Truncate { reply, heard },
                Direction::Remove(ItemKey::Reply(reply)),
            ])
        }
    }
}

/// What is told of a reply comes between its beginning and its end, and nothing but its end after it is
/// made.
fn assert_replies_begin_and_end(played: &Played, told: &str) {
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in played.news() {
        let Some((kind, rest)) = line.split_once(' ') else { continue };
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        match kind {
            "starts" => {
                assert!(open.insert(number, vec![]).is_none(), "begins twice: {line} {told}");
            }
            "wrote" | "calls" | "made" | "ended" | "heard" => {
                let before = open.get_mut(&number).expect("it began");
                let is_over = before.contains(&"heard".to_owned());
                assert!(!is_over, "told after its end: {line} {told}");
                let is_whole = before.contains(&"made".to_owned());
                assert!(!is_whole || kind == "ended" || kind == "heard", "{line} {told}");
                assert!(kind == "wrote" || kind == "calls" || !before.contains(&kind.to_owned()));
                before.push(kind.to_owned());
            }
            _ => {}
        }
    }
    let aside = |number: &str| number.len() > 5;
    for (number, kinds) in &open {
        let is_heard = kinds.last().is_some_and(|kind| kind == "heard");
        assert!(is_heard || aside(number), "reply {number} has no end: {told}");
    }
}

fn assert_speech_starts_and_stops(played: &Played, told: &str) {
    let mut speaks = false;
    for line in played.news_of(&["speaks", "spoke to"]) {
        assert_ne!(speaks, line.starts_with("speaks"), "{told}");
        speaks = !speaks;
    }
}
