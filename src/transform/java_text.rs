//! Numbers and moments as Java writes them: what `Cast` to string gives, and so what existing
//! tables hold.

use rowdock_connectors::Timestamp;

use super::date_format::DateFormat;

/// `Double.toString`.
pub(super) fn double(value: f64) -> String {
    if value.is_finite() {
        scientific_or_plain(&format!("{value:e}"))
    } else {
        not_finite(value)
    }
}

/// `Float.toString`.
pub(super) fn float(value: f32) -> String {
    if value.is_finite() {
        scientific_or_plain(&format!("{value:e}"))
    } else {
        not_finite(f64::from(value))
    }
}

fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

/// From `-1.234e5`: plain from 0.001 up to ten millions, else with an exponent; always with a
/// point.
fn scientific_or_plain(shortest: &str) -> String {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = format!("{whole}{fraction}");
    match exponent {
        -3..0 => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        0..7 => {
            let point = usize::try_from(exponent + 1).unwrap_or(1);
            let padded = format!("{digits:0<point$}");
            let (whole, fraction) = padded.split_at(point);
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            format!("{sign}{whole}.{fraction}")
        }
        _ => {
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            format!("{sign}{whole}.{fraction}E{exponent}")
        }
    }
}

/// `BigDecimal.toString`, from plain notation.
pub(super) fn decimal(plain: &str) -> String {
    let (sign, unsigned) = match plain.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", plain),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let sign = if digits == "0" { "" } else { sign };
    // The power of ten of the first digit; below -6 Java changes to an exponent.
    let first = i64::try_from(digits.len()).unwrap_or(i64::MAX)
        - 1
        - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    if first >= -6 {
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        return match fraction {
            "" => format!("{sign}{whole}"),
            fraction => format!("{sign}{whole}.{fraction}"),
        };
    }
    let (one, rest) = digits.split_at(1);
    match rest {
        "" => format!("{sign}{one}E{first}"),
        rest => format!("{sign}{one}.{rest}E{first}"),
    }
}

/// A moment as Connect writes dates, times and timestamps that it cannot tell apart: within the
/// first day a time, at midnight a date, else both. Finer than milliseconds only when it is.
pub(super) fn moment(at: Timestamp) -> String {
    const DAY_SECONDS: i64 = 86_400;
    let pattern = if at.seconds < DAY_SECONDS {
        "HH:mm:ss"
    } else if at.seconds % DAY_SECONDS == 0 && at.nanos == 0 {
        return DateFormat::formatted("yyyy-MM-dd", at);
    } else {
        "yyyy-MM-dd'T'HH:mm:ss"
    };
    let text = DateFormat::formatted(pattern, at);
    let (millis, micros) = (at.nanos / 1_000_000, at.nanos / 1_000);
    if millis * 1_000_000 == at.nanos {
        format!("{text}.{millis:03}Z")
    } else if micros * 1_000 == at.nanos {
        format!("{text}.{micros:06}Z")
    } else {
        format!("{text}.{:09}Z", at.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_java_writes_them() {
        let check = |value: f64, expected: &str| assert_eq!(double(value), expected);
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(-1.5, "-1.5");
        check(0.001, "0.001");
        check(0.000_999, "9.99E-4");
        check(1_234_567.0, "1234567.0");
        check(9_999_999.5, "9999999.5");
        check(12_345_678.9, "1.23456789E7");
        check(1e7, "1.0E7");
        check(1e300, "1.0E300");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Infinity");
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1e10), "1.0E10");
    }

    #[test]
    fn decimals_are_written_as_java_writes_them() {
        let check = |plain: &str, expected: &str| assert_eq!(decimal(plain), expected);
        check("0", "0");
        check("0.00", "0.00");
        check("-12.30", "-12.30");
        check("0.000001", "0.000001");
        check("0.0000001", "1E-7");
        check("-0.00000123", "-0.00000123");
        check("0.000000123", "1.23E-7");
        check("0.00000000", "0E-8");
        check(
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        );
    }

    #[test]
    fn moments_show_what_they_have() {
        let check = |seconds: i64, nanos: u32, expected: &str| {
            assert_eq!(moment(Timestamp { seconds, nanos }), expected);
        };
        check(1, 500_000_000, "00:00:01.500Z");
        check(86_400, 0, "1970-01-02");
        check(86_401, 0, "1970-01-02T00:00:01.000Z");
        check(86_401, 1_000, "1970-01-02T00:00:01.000001Z");
        check(86_400, 1, "1970-01-02T00:00:00.000000001Z");
    }
}
