import { testFaults } from '../support/fault-tests.ts'
import { networkFaults } from '../support/network-faults.ts'

testFaults(networkFaults)
