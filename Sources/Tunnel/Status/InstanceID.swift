/// Identifies one instance: 8 lower-case hex digits, stable for its whole life.
package typealias InstanceID = String
