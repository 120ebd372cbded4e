#!/bin/sh
# Links a program with what packaging/thin-icu leaves of ICU's data, and asks Foundation for dates, numbers, calendars,
# comparisons and host names: in English as with all of the data, and in other languages at least without harm.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/ask.swift" <<'END'
import Foundation

let date = Date(timeIntervalSince1970: 1_700_000_000)
let zone = TimeZone(identifier: "Europe/Berlin")!
let language = CommandLine.arguments[1]
let locale = Locale(identifier: language)
// As GRDB reads and writes dates.
let formatter = DateFormatter()
formatter.locale = Locale(identifier: "en_US_POSIX")
formatter.timeZone = zone
formatter.dateFormat = "yyyy-MM-dd HH:mm:ss.SSS"
print(formatter.string(from: date), formatter.date(from: "2024-02-03 04:05:06.000")!.timeIntervalSince1970)
print(ISO8601DateFormatter().string(from: date))
let number = NumberFormatter()
number.numberStyle = .decimal
number.locale = locale
print(number.string(from: 1234567.5)!)
print("straße".localizedCompare("strasse").rawValue, "É".folding(options: .diacriticInsensitive, locale: locale))
print("istanbul".uppercased(with: locale), "ä".decomposedStringWithCanonicalMapping.unicodeScalars.count)
var calendar = Calendar(identifier: .gregorian)
calendar.timeZone = zone
calendar.locale = locale
print(calendar.dateComponents([.year, .month, .day, .hour, .weekOfYear], from: date))
print(date.formatted(Date.FormatStyle(date: .long, time: .standard, locale: locale, timeZone: zone)))
print(URL(string: "http://bücher.example/")?.host(percentEncoded: true) ?? "no host")
print(try! NSRegularExpression(pattern: "\\w+").numberOfMatches(in: "ab cd", range: NSRange(location: 0, length: 5)))
END
cd "$work"
swiftc -O -static-stdlib -use-ld=lld ask.swift -o all 2>/dev/null
option=$("$here/../../packaging/thin-icu" icu.o)
swiftc -O -static-stdlib -use-ld=lld ask.swift -o thin -Xlinker --gc-sections -Xlinker --icf=safe \
    -Xlinker --no-export-dynamic -Xlinker "$option" -Xlinker icu.o 2>/dev/null
./all en_US >expected
./thin en_US >got
diff expected got || { echo "icu.sh: English differs" >&2; exit 1; }
for language in de_DE ja_JP ar_EG tr_TR C ''; do
    LANG=$language ./thin "$language" >got || { echo "icu.sh: '$language' does harm" >&2; exit 1; }
    [ "$(wc -l <got)" = "$(wc -l <expected)" ] || { echo "icu.sh: '$language' misses an answer" >&2; exit 1; }
done
strip all thin
[ "$(stat -c %s thin)" -lt $(($(stat -c %s all) - 25000000)) ] || { echo "icu.sh: the data is still there" >&2; exit 1; }
echo "icu.sh: $(stat -c %s all) bytes with all data, $(stat -c %s thin) without; all as it should be"
