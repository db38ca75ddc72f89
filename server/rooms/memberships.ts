import type { LocalRoom, Member } from './local-room.ts'

/** Who is in which of an instance's rooms. A room stays while it has members. */
export interface Memberships {
  /** Says whether the member was not in the room before. */
  enter(member: Member, room: LocalRoom): boolean
  /** Says whether the member was in the room. */
  leave(member: Member, room: string): boolean
  roomsOf(member: Member): string[]
  countOf(member: Member): number
  /** Of all members; who is in two rooms counts twice. */
  readonly count: number
}

interface Membership {
  readonly room: LocalRoom
  /** Ends its hold on the room. */
  readonly release: () => void
}

export function createMemberships(): Memberships {
  /** Most members are in one room: a list is a third of a map of one. */
  const byMember = new Map<Member, Membership[]>()
  let count = 0

  return {
    enter(member, room) {
      if (room.members.has(member)) return false
      room.members.add(member)
      count += 1
      const own = byMember.get(member)
      const membership = { room, release: room.hold() }
      if (own === undefined) byMember.set(member, [membership])
      else own.push(membership)
      return true
    },
    leave(member, name) {
      const own = byMember.get(member)
      const left = own?.find(({ room }) => room.name === name)
      if (own === undefined || left === undefined) return false
      own.splice(own.indexOf(left), 1)
      if (own.length === 0) byMember.delete(member)
      left.room.members.delete(member)
      count -= 1
      left.release()
      return true
    },
    roomsOf: (member) => byMember.get(member)?.map(({ room }) => room.name) ?? [],
    countOf: (member) => byMember.get(member)?.length ?? 0,
    get count() {
      return count
    },
  }
}
