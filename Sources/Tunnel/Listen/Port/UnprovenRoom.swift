package import Config
import Synchronization

/// Bounds what all tunnel ports together keep for connections whose peer has not proven who it is.
///
/// One room for the process. A connection takes a place when it is accepted and gives it back once
/// it is proven or closed. When the room is full, the address that holds most of it gives up its
/// oldest place: a stranger who opens many connections pushes out their own, and peers with a few
/// stay.
package final class UnprovenRoom: Sendable {
    /// An address, or an IPv6 network of 64 bits: a host in it has all its addresses.
    private typealias Holder = [UInt8]

    private struct Place {
        let holder: Holder
        var bytes: Int
        let evict: @Sendable () -> Void
    }

    private struct State {
        var places: [Int: Place] = [:]
        var tenants: [Holder: Tenant] = [:]
        var bytes = 0
        var nextNumber = 0
        var evicted = 0

        mutating func add(_ bytes: Int, to number: Int) {
            guard let holder = places[number]?.holder else { return }
            places[number]?.bytes += bytes
            tenants[holder]?.bytes += bytes
            self.bytes += bytes
        }

        mutating func remove(_ number: Int) -> Place? {
            guard let place = places.removeValue(forKey: number) else { return nil }
            bytes -= place.bytes
            tenants[place.holder]?.bytes -= place.bytes
            tenants[place.holder]?.numbers.remove(number)
            if tenants[place.holder]?.numbers.isEmpty == true { tenants[place.holder] = nil }
            return place
        }

        /// Takes places from the address that holds most until `limit` is kept.
        mutating func makeRoom(limit: Int) -> [@Sendable () -> Void] {
            var evictions: [@Sendable () -> Void] = []
            while bytes > limit, let heaviest = tenants.max(by: { $0.value.bytes < $1.value.bytes })?.value,
                let oldest = heaviest.numbers.min(), let place = remove(oldest)
            {
                evicted += 1
                evictions.append(place.evict)
            }
            return evictions
        }
    }

    private struct Tenant {
        /// Of its places; numbers only grow, so the lowest is the oldest.
        var numbers: Set<Int> = []
        var bytes = 0
    }

    private let state = Mutex(State())
    private let limitBytes: Int

    package init(limitBytes: Int = TunnelLimits.unprovenBytes) {
        self.limitBytes = limitBytes
    }

    /// A place of `bytes` for a connection from `address`; `evict` is called, on any thread, when
    /// another connection needs the room more, which may be at once.
    package func enter(
        from address: IPAddress?,
        bytes: Int = TunnelLimits.unprovenConnectionBytes,
        evict: @escaping @Sendable () -> Void
    ) -> UnprovenPlace {
        let (number, evictions) = state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            let holder = address.map { Array($0.bytes.prefix(8)) } ?? []
            state.places[number] = Place(holder: holder, bytes: 0, evict: evict)
            state.tenants[holder, default: Tenant()].numbers.insert(number)
            state.add(bytes, to: number)
            return (number, state.makeRoom(limit: limitBytes))
        }
        for evict in evictions { evict() }
        return UnprovenPlace(number: number, room: self)
    }

    /// Bytes reserved now, never more than the limit, and places taken from their holders so far.
    package var figures: (bytes: Int, evicted: Int) { state.withLock { ($0.bytes, $0.evicted) } }

    fileprivate func grow(_ number: Int, by bytes: Int) {
        let evictions = state.withLock { state in
            state.add(bytes, to: number)
            return state.makeRoom(limit: limitBytes)
        }
        for evict in evictions { evict() }
    }

    fileprivate func leave(_ number: Int) {
        _ = state.withLock { $0.remove(number) }
    }
}

/// One connection's place in the room; `leave` may be called more than once.
package struct UnprovenPlace: Sendable {
    fileprivate let number: Int
    fileprivate let room: UnprovenRoom

    /// Reserves more, for work that begins before the peer is proven.
    package func grow(by bytes: Int) { room.grow(number, by: bytes) }

    package func leave() { room.leave(number) }
}
