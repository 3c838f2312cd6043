//! Values as moments of the crate `chrono`, and back. Behind the feature `chrono`.
//!
//! ```
//! use beep_python_protocol::Value;
//! use chrono::NaiveDate;
//!
//! let day = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
//! assert_eq!(Value::from(day), Value::Date("2026-01-02".into()));
//! assert_eq!(NaiveDate::try_from(&Value::from(day)).unwrap(), day);
//! ```

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

use super::error::ValueError;
use super::kinds::{DateTime as PythonDateTime, Time, TimeDelta, Value};

const CLOCK: &str = "%H:%M:%S%.f";
const MICROSECONDS_A_DAY: i128 = 86_400_000_000;

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Value {
        Value::Date(day.format("%Y-%m-%d").to_string())
    }
}

impl From<NaiveTime> for Value {
    fn from(time: NaiveTime) -> Value {
        Value::Time(Time { iso: time.format(CLOCK).to_string(), ..Time::default() })
    }
}

impl From<NaiveDateTime> for Value {
    fn from(moment: NaiveDateTime) -> Value {
        date_time(moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string())
    }
}

impl<Zone: TimeZone> From<DateTime<Zone>> for Value {
    /// A moment with its offset. The name of its zone does not travel.
    fn from(moment: DateTime<Zone>) -> Value {
        date_time(moment.fixed_offset().format("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
    }
}

impl From<chrono::TimeDelta> for Value {
    /// Nanoseconds are cut off: Python's `timedelta` has none.
    fn from(time: chrono::TimeDelta) -> Value {
        let all = i128::from(time.num_seconds()) * 1_000_000 + i128::from(time.subsec_nanos() / 1000);
        let (days, rest) = (all.div_euclid(MICROSECONDS_A_DAY), all.rem_euclid(MICROSECONDS_A_DAY));
        Value::TimeDelta(TimeDelta {
            days: days as i32, // chrono reaches no further than a hundred million days
            seconds: (rest / 1_000_000) as u32,
            microseconds: (rest % 1_000_000) as u32,
        })
    }
}

fn date_time(iso: String) -> Value {
    Value::DateTime(PythonDateTime { iso, ..PythonDateTime::default() })
}

macro_rules! read {
    ($($kind:ty, $wanted:literal, $pattern:pat => $read:expr;)*) => {$(
        impl TryFrom<&Value> for $kind {
            type Error = ValueError;

            fn try_from(value: &Value) -> Result<$kind, ValueError> {
                let read: Option<$kind> = match value {
                    $pattern => $read,
                    _ => None,
                };
                read.ok_or_else(|| ValueError::Mismatch(format!("a Python {} ({value}) is no {}", value.type_name(), $wanted)))
            }
        }
    )*};
}

read! {
    NaiveDate, "date", Value::Date(iso) => iso.parse().ok();
    NaiveTime, "time without an offset", Value::Time(time) => time.iso.parse().ok();
    NaiveDateTime, "datetime without an offset", Value::DateTime(moment) => moment.iso.parse().ok();
    DateTime<FixedOffset>, "datetime with an offset", Value::DateTime(moment) =>
        DateTime::parse_from_rfc3339(&moment.iso).ok();
    chrono::TimeDelta, "timedelta", Value::TimeDelta(delta) => {
        let seconds = i64::from(delta.days) * 86_400 + i64::from(delta.seconds);
        chrono::TimeDelta::new(seconds, delta.microseconds * 1000)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
        let naive = day.and_hms_micro_opt(3, 4, 5, 6).unwrap();
        let aware = naive.and_local_timezone(FixedOffset::east_opt(3600).unwrap()).unwrap();
        assert_eq!(date_time("2026-01-02T03:04:05.000006".into()), Value::from(naive));
        assert_eq!(date_time("2026-01-02T03:04:05.000006+01:00".into()), Value::from(aware));
        assert_eq!(NaiveDateTime::try_from(&Value::from(naive)).unwrap(), naive);
        assert_eq!(DateTime::<FixedOffset>::try_from(&Value::from(aware)).unwrap(), aware);
        assert_eq!(NaiveTime::try_from(&Value::from(naive.time())).unwrap(), naive.time());
        for micros in [0, 5, -1, -86_400_000_001, 90_000_000_000] {
            let time = chrono::TimeDelta::microseconds(micros);
            assert_eq!(chrono::TimeDelta::try_from(&Value::from(time)).unwrap(), time, "{micros}");
        }
        assert!(NaiveDateTime::try_from(&Value::from(aware)).is_err());
        assert!(NaiveDate::try_from(&Value::from(naive)).is_err());
    }
}
