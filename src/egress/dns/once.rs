//! A client asks for each kind of address by itself: one question of a program, several of the wire.

use crate::firewall::HostName;
use hickory_proto::rr::RecordType;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What is asked together comes within this time.
const TOGETHER: Duration = Duration::from_secs(5);
/// Of more names the oldest are forgotten: their next question counts as another one.
const NAMES: usize = 256;

/// The questions that were refused lately: each is counted and reported once.
#[derive(Debug, Default)]
pub struct Questions(VecDeque<(HostName, Instant, Vec<RecordType>)>);

impl Questions {
    /// False where this is another part of a question that was refused already. The same kind once more
    /// is another question.
    pub fn is_new(&mut self, name: &HostName, kind: RecordType, now: Instant) -> bool {
        if !matches!(kind, RecordType::A | RecordType::AAAA | RecordType::HTTPS) {
            return true;
        }
        self.0.retain(|(_, asked, _)| now.duration_since(*asked) < TOGETHER);
        match self.0.iter_mut().find(|(known, ..)| known == name) {
            Some((_, _, kinds)) if !kinds.contains(&kind) => {
                kinds.push(kind);
                return false;
            }
            Some(known) => (known.1, known.2) = (now, vec![kind]),
            None => {
                self.0.truncate(NAMES - 1);
                self.0.push_front((name.clone(), now, vec![kind]));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_one_question_are_one() {
        let mut questions = Questions::default();
        let start = Instant::now();
        let name = |text| HostName::parse(text).unwrap();
        let mut ask = |text, kind, after| {
            questions.is_new(&name(text), kind, start + Duration::from_millis(after))
        };
        assert!(ask("a.example", RecordType::A, 0));
        assert!(!ask("a.example", RecordType::AAAA, 1));
        assert!(!ask("a.example", RecordType::HTTPS, 1));
        assert!(ask("b.example", RecordType::AAAA, 2), "another name");
        assert!(!ask("b.example", RecordType::A, 2));
        assert!(ask("a.example", RecordType::A, 3), "asked again");
        assert!(!ask("a.example", RecordType::AAAA, 3));
        assert!(ask("a.example", RecordType::TXT, 3) && ask("a.example", RecordType::TXT, 3));
        assert!(ask("c.example", RecordType::A, 4));
        assert!(ask("c.example", RecordType::AAAA, 6000), "much later");
    }

    #[test]
    fn it_is_bounded() {
        let mut questions = Questions::default();
        for n in 0..NAMES * 2 {
            let name = HostName::parse(&format!("n{n}.example")).unwrap();
            assert!(questions.is_new(&name, RecordType::A, Instant::now()));
        }
        assert_eq!(questions.0.len(), NAMES);
    }
}
