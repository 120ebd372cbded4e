/// Plain decimal numbers: no sign, no other base, no leading zeros that another reader would take
/// for octal.
enum DecimalNumber {
    static func parse(_ text: some StringProtocol) -> Int? {
        let isDecimal = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
        guard isDecimal, text.count == 1 || !text.hasPrefix("0") else { return nil }
        return Int(text)
    }
}
