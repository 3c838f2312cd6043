//! The sessions that expired last: who comes back to one is told why it is gone.

use std::collections::VecDeque;
use std::time::Duration;

use beep_python_protocol::Problem;

use crate::session::error::expired_error;

const MOST: usize = 1000;

/// The ids of sessions that expired, each with the time that it may have been idle.
#[derive(Debug, Default)]
pub(crate) struct ExpiredSessions(VecDeque<(String, Duration)>);

impl ExpiredSessions {
    pub(crate) fn add(&mut self, id: &str, idle: Duration) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((id.to_owned(), idle));
    }

    /// What is told of this session, if it is one of them.
    pub(crate) fn problem(&self, id: &str) -> Option<Problem> {
        self.0.iter().rev().find(|(expired, _)| expired == id).map(|(id, idle)| expired_error(id, *idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_known() {
        let mut expired = ExpiredSessions::default();
        (0..=MOST).for_each(|number| expired.add(&format!("s{number}"), Duration::from_millis(1500)));
        assert_eq!(expired.problem("s0"), None);
        let detail = expired.problem("s1").expect("known").detail;
        assert!(detail.contains("'s1'") && detail.contains("1.5s"), "{detail}");
        assert!(expired.problem(&format!("s{MOST}")).is_some());
    }
}
