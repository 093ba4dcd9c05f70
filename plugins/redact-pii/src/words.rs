//! What begins with a letter and goes on with digits: IBAN, NIE, codice fiscale, national insurance numbers.

use crate::checks;
use crate::kinds::Kind;
use crate::scan::{Found, Text};

/// What begins at a position.
pub fn find(text: &Text<'_>, start: usize) -> Option<Found> {
    let before = text.before(start);
    if before == b'_' || before == b'-' && text.before(start - 1).is_ascii_alphanumeric() {
        return None;
    }
    let letters = text.at(start).is_ascii_alphabetic() && text.at(start + 1).is_ascii_alphabetic();
    if !letters && !matches!(text.at(start), b'X'..=b'Z') {
        return None;
    }
    let end = iban(text, start).map(|end| (end, Kind::Iban));
    let end = end.or_else(|| single(text, start)).or_else(|| nino(text, start).map(|end| (end, Kind::UkNino)));
    end.map(|(end, kind)| Found { start, end, kind })
}

/// Whether nothing goes on at a position.
pub fn ends(text: &Text<'_>, end: usize) -> bool {
    let c = text.at(end);
    let next = text.at(end + 1);
    !(c.is_ascii_alphanumeric() || c == b'_' || matches!(c, b'-' | b'@') && next.is_ascii_alphanumeric() || matches!(c, b'.' | b':') && next.is_ascii_digit())
}

/// Takes up to `out.len()` letters and digits in upper case, with single blanks in between if the text has them in upper case. It
/// returns how many there are, and where they end.
fn take(text: &Text<'_>, start: usize, out: &mut [u8]) -> (usize, usize) {
    let (mut i, mut n) = (start, 0);
    let blanks = text.at(start).is_ascii_uppercase();
    while n < out.len() {
        let (sign, width) = text.sign(i);
        let skip = if blanks && n > 0 && matches!(sign, b' ' | b'-') { width } else { 0 };
        let c = text.at(i + skip);
        if !c.is_ascii_alphanumeric() {
            break;
        }
        out[n] = c.to_ascii_uppercase();
        n += 1;
        i += skip + 1;
    }
    (n, i)
}

fn iban(text: &Text<'_>, start: usize) -> Option<usize> {
    if !text.at(start + 2).is_ascii_digit() || !text.at(start + 3).is_ascii_digit() {
        return None;
    }
    let mut c = [0; 33];
    let length = checks::iban_length(text.at(start).to_ascii_uppercase(), text.at(start + 1).to_ascii_uppercase());
    if length == 0 {
        return None;
    }
    let iban = c.get_mut(..length)?;
    let (n, end) = take(text, start, iban);
    if n == length && ends(text, end) && checks::iban(iban) {
        Some(end)
    } else {
        None
    }
}

/// Numbers that are one word in upper case.
fn single(text: &Text<'_>, start: usize) -> Option<(usize, Kind)> {
    let word = text.bytes.get(start..)?;
    let length = word.iter().position(|c| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
    let word = &word[..length];
    if !ends(text, start + length) {
        return None;
    }
    match length {
        9 if matches!(word[0], b'X' | b'Y' | b'Z') => {
            let mut digits = [0; 7];
            for (d, c) in digits.iter_mut().zip(&word[1..]) {
                *d = c.wrapping_sub(b'0');
            }
            let good = digits.iter().all(|d| *d <= 9) && checks::dni(word[0] - b'X', &digits, word[8]);
            if good {
                Some((start + length, Kind::EsDni))
            } else {
                None
            }
        }
        16 if checks::codice_fiscale(word) => Some((start + length, Kind::ItCodiceFiscale)),
        _ => None,
    }
}

/// AB 12 34 56 C, or without blanks where the text says what it is.
fn nino(text: &Text<'_>, start: usize) -> Option<usize> {
    if !checks::nino_prefix(text.at(start), text.at(start + 1)) {
        return None;
    }
    let mut c = [0; 9];
    let (n, end) = take(text, start, &mut c);
    let good = n == 9 && c[2..8].iter().all(u8::is_ascii_digit) && (b'A'..=b'D').contains(&c[8]) && ends(text, end);
    let upper = text.bytes[start..end].iter().all(|c| !c.is_ascii_lowercase());
    if good && upper && (end - start == 13 || text.says(start, 48, &["national insurance", "nino", "ni number", "ni no"])) {
        Some(end)
    } else {
        None
    }
}
