//! The server's side of a call, read from its HTTP port where that is reachable.

use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinHandle;

use super::report::ServerTurn;
use crate::admin::Admin;

/// How often the live conversation is asked for.
const LOOK: Duration = Duration::from_millis(400);
/// The record of a call is whole this long after it ended.
const SETTLE: Duration = Duration::from_millis(600);

#[derive(Clone)]
pub(crate) struct Server {
    admin: Admin,
}

#[derive(Deserialize)]
struct CallRecord {
    call_id: String,
    #[serde(default)]
    turns: Vec<ServerTurn>,
}

/// Shows the conversation while it goes on.
pub(crate) struct Watching(Option<JoinHandle<()>>);

impl Watching {
    /// Ends it.
    pub(crate) async fn stop(self) {
        if let Some(task) = self.0 {
            task.abort();
            // An aborted task ends with an error by design.
            drop(task.await);
        }
    }
}

impl Server {
    pub(crate) fn new(admin: Admin) -> Self {
        Self { admin }
    }

    /// The call's id and turns once it is over; `None` where the server cannot be reached.
    pub(crate) async fn record(&self, sip_call_id: &str) -> Option<(String, Vec<ServerTurn>)> {
        tokio::time::sleep(SETTLE).await;
        self.look(sip_call_id).await.map(|record| (record.call_id, record.turns))
    }

    async fn look(&self, sip_call_id: &str) -> Option<CallRecord> {
        let request = self.admin.get(&["calls", sip_call_id], None);
        let response = request.timeout(Duration::from_secs(2)).send().await.ok()?;
        response.error_for_status().ok()?.json().await.ok()
    }

    /// Shows each turn as it is recorded, when `live`.
    #[expect(clippy::print_stdout, reason = "the command's result")]
    pub(crate) fn watch(&self, sip_call_id: &str, live: bool) -> Watching {
        if !live {
            return Watching(None);
        }
        let (server, id) = (self.clone(), sip_call_id.to_owned());
        let show = async move {
            let (mut heard, mut replied) = (0, 0);
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(record) = server.look(&id).await else { continue };
                for (n, turn) in record.turns.iter().enumerate() {
                    if n >= heard {
                        println!("heard   {}", turn.heard);
                        heard = n + 1;
                    }
                    if let Some(reply) = turn.reply.as_ref().filter(|_| n >= replied) {
                        let cut = if turn.interrupted { " (interrupted)" } else { "" };
                        println!("agent   {reply}{cut}");
                        replied = n + 1;
                    }
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "stopped and awaited by Watching::stop")]
        Watching(Some(tokio::spawn(show)))
    }
}
